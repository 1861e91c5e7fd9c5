"""`alertdrill heal` and `alertdrill status`, as a user runs them."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from alertdrill.agent.drilling.healing import (
    heal_abandoned,
    require_no_other_toxics,
    require_nothing_in_force,
    status,
    status_given_up,
)
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.given_up import record_end
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.toxiproxy.client import Toxiproxy
from alertdrill.chaos.toxiproxy.down import Down
from alertdrill.lab.server import Server
from crashing.relay import Relay
from tests.support.left_behind import AGENT, FAULT, leave, taken_back
from tests.support.toxiproxy_server import endpoints, toxics, witness
from tools.fuzz.samples import INJECTIONS


def alertdrill(ledger: Ledger, *words: str) -> subprocess.CompletedProcess[str]:
    config = ledger.directory.parent / "agent.yml"
    config.write_text(AGENT.format(ledger=ledger.directory))
    command = [sys.executable, "-m", "alertdrill", *words, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def in_folder(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "alertdrill", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


async def test_an_abandoned_fault_is_listed_then_healed_then_gone(server: Server, ledger: Ledger) -> None:
    entry_id = await leave(ledger, server)
    (row,) = json.loads(alertdrill(ledger, "status", "--json").stdout)
    assert (row["id"], row["state"], row["fault"], row["drill"]) == (entry_id, "abandoned", "latency", "slow")
    shown = alertdrill(ledger, "status").stdout
    assert shown.startswith(f"in {ledger.directory}:\n")
    assert "abandoned" in shown
    listed = alertdrill(ledger, "heal", "--dry-run")
    assert listed.stdout.startswith(f"1 fault(s) to heal in {ledger.directory}\n")
    assert f"would heal: {entry_id}: latency on proxy db (downstream)" in listed.stdout
    assert len(toxics(server)) == 1
    done = alertdrill(ledger, "heal")
    assert done.stdout == (
        f"healed: {entry_id}: latency on proxy db (downstream)\n"
        f"1 fault(s) healed, none in force in {ledger.directory}\n"
    )
    assert (done.returncode, toxics(server)) == (0, {})
    assert alertdrill(ledger, "heal").stdout == f"0 fault(s) healed, none in force in {ledger.directory}\n"
    assert alertdrill(ledger, "status").stdout == f"no fault is in force in {ledger.directory}\n"


async def test_healing_ends_after_the_given_time_and_the_rest_stays_in_the_ledger(
    server: Server, ledger: Ledger
) -> None:
    entry_id = await leave(ledger, server)
    await server.stop()
    done = alertdrill(ledger, "heal", "--within", "50ms")
    left = (
        f"alertdrill: not everything was undone within 50ms, the rest stays in {ledger.directory}: run `alertdrill heal"
    )
    assert (done.returncode, done.stderr.startswith(left)) == (4, True)
    assert list(ledger.read().entries) == [entry_id]


async def test_an_entry_that_cannot_be_read_is_reported_and_the_others_are_healed(
    server: Server, ledger: Ledger
) -> None:
    await leave(ledger, server)
    (ledger.directory / "alertdrill-0.json").write_text("{")
    done = alertdrill(ledger, "heal")
    assert done.returncode == 4
    assert "alertdrill-0.json cannot be read" in done.stderr
    assert toxics(server) == {}


async def test_a_running_drill_is_left_alone_unless_forced(server: Server, ledger: Ledger) -> None:
    async with taken_back(ledger, server):
        left = alertdrill(ledger, "heal")
        assert "left alone: alertdrill-" in left.stdout
        assert left.stdout.endswith(f"0 fault(s) healed, 1 in force in {ledger.directory}\n")
        assert len(toxics(server)) == 1
        alertdrill(ledger, "heal", "--force")
        assert toxics(server) == {}


async def test_a_drill_heals_first_what_a_dead_process_left(server: Server, ledger: Ledger) -> None:
    lines: list[str] = []
    await leave(ledger, server)
    await heal_abandoned(ledger, lines.append)
    assert toxics(server) == {}
    assert [line.split(":")[0] for line in lines] == ["healed"]
    await require_nothing_in_force(ledger)


async def test_a_drill_beside_a_running_one_is_refused(server: Server, ledger: Ledger) -> None:
    async with applied(FAULT, endpoints(server), ledger):
        await heal_abandoned(ledger, print)
        with pytest.raises(FaultNotApplied, match=r"drill slow: in force\n.* run `alertdrill heal` first"):
            await require_nothing_in_force(ledger)
        assert len(toxics(server)) == 1


async def test_what_was_not_as_the_fault_left_it_is_said(server: Server, ledger: Ledger) -> None:
    ids = [await leave(ledger, server), await leave(ledger, server, Down(proxy="db"))]
    witness(server).get_proxy("db").enable()
    witness(server).get_proxy("db").destroy_toxic(ids[0])
    lines = alertdrill(ledger, "heal").stdout.splitlines()
    assert f"healed: {ids[1]}: down on proxy db; the proxy was enabled already" in lines
    assert (
        f"healed: {ids[0]}: latency on proxy db (downstream); "
        "there was no such toxic: it was removed already, Toxiproxy was restarted, or it was never added"
    ) in lines


async def test_a_server_that_is_away_for_a_moment_is_waited_for(server: Server, ledger: Ledger) -> None:
    relay, entry_id = Relay(server.spec.port), await leave(ledger, server)
    entry = ledger.read().entries[entry_id]
    moved = entry.injection.model_copy(update={"toxiproxy_url": f"http://127.0.0.1:{relay.port}"})
    ledger.write(entry_id, entry.model_copy(update={"injection": moved}))
    lines: list[str] = []
    healing = asyncio.ensure_future(heal_abandoned(ledger, lines.append))
    await asyncio.sleep(0.5)
    assert len(toxics(server)) == 1
    await relay.restore()
    await healing
    await relay.cut()
    assert (toxics(server), [line.split(":")[0] for line in lines]) == ({}, ["healed"])


async def test_a_drill_is_refused_while_a_fault_cannot_be_healed(server: Server, ledger: Ledger) -> None:
    await leave(ledger, server)
    await server.stop()
    with pytest.raises(FaultNotHealed, match=r"is not healed: Toxiproxy at .* cannot be reached"):
        await heal_abandoned(ledger, print)


async def test_the_ledger_is_found_from_every_working_directory(server: Server, tmp_path: Path) -> None:
    """A relative `ledger` is beside agent.yml, and not in the folder where the command is run."""
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "agent.yml").write_text(AGENT.format(ledger="ledger"))
    entry_id = await leave(Ledger(beside / "ledger", "slow"), server)
    for folder, config in ((tmp_path, "beside/agent.yml"), (beside, "agent.yml")):
        shown = in_folder(folder, "status", "--json", "-c", config)
        assert [row["id"] for row in json.loads(shown.stdout)] == [entry_id]
        assert shown.stderr == f"alertdrill: the ledger is {beside / 'ledger'}\n"
    done = in_folder(tmp_path, "heal", "-c", "beside/agent.yml")
    assert done.stdout.endswith(f"1 fault(s) healed, none in force in {beside / 'ledger'}\n")
    assert toxics(server) == {}


async def test_a_fault_of_another_ledger_on_the_same_toxiproxy_is_named(server: Server, tmp_path: Path) -> None:
    """It may belong to an agent on another machine."""
    mine, theirs = Ledger(tmp_path / "mine", "slow"), Ledger(tmp_path / "theirs", "slow")
    toxiproxy = Toxiproxy(f"http://{server.address}")
    await leave(mine, server)
    await require_no_other_toxics(toxiproxy, mine)
    entry_id = await leave(theirs, server)
    expected = (
        rf"has the toxic {entry_id} on the proxy db, which another alertdrill made, for it is not in {mine.directory}"
    )
    with pytest.raises(FaultNotApplied, match=expected):
        await require_no_other_toxics(toxiproxy, mine)


def test_what_a_manifest_brings_is_not_shown(ledger: Ledger) -> None:
    """Only an older version's ledger holds it."""
    (injection,) = (one for one in INJECTIONS if one["kind"] == "apply_manifest")
    (made,) = injection["objects"]
    config = made | {"body": made["body"] | {"data": {"password": "hush-hush"}}}
    entry = Entry.model_validate(
        {"fault": "apply_manifest", "target": "namespace shop", "drill": "slow", "owner": Owner(1, 1, "a")}
        | {"written_at": 1.0, "expires_at": 2.0, "injection": injection | {"objects": [config]}}
    )
    ledger.write("alertdrill-1", entry)
    console = Console(file=io.StringIO(), width=200)
    status(ledger, console, as_json=False, command="alertdrill heal")
    status(ledger, console, as_json=True, command="alertdrill heal")
    record = record_end(ledger, "alertdrill-1", entry, "it is gone", "nothing")
    status_given_up(ledger, console, as_json=True)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count('"resource": "networkpolicies"') == 2
    assert "hush-hush" not in shown
    assert "hush-hush" not in record.read_text()
    assert record.stat().st_mode & 0o077 == 0
