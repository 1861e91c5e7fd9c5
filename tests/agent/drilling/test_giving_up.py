"""Every entry of a ledger can end: one that cannot be undone is given up on purpose, and stops only drills of its target."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.drilling.healing import heal_abandoned, require_no_other_toxics, require_nothing_in_force
from alertdrill.agent.drilling.lock import canonical
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.given_up import read_records, record_end
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.toxiproxy.client import Toxiproxy
from alertdrill.lab.server import Server
from tests.support.left_behind import AGENT, leave, taken_back
from tests.support.toxiproxy_server import toxics


@pytest.fixture
async def hopeless(server: Server, ledger: Ledger) -> str:
    """An entry whose Toxiproxy is gone for good."""
    entry_id = await leave(ledger, server)
    await server.stop()
    return entry_id


def config_of(ledger: Ledger) -> Path:
    config = ledger.directory.parent / "agent.yml"
    config.write_text(AGENT.format(ledger=ledger.directory))
    return config


def alertdrill(ledger: Ledger, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alertdrill", *words, "--config", str(config_of(ledger))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def give_up(ledger: Ledger, entry_id: str, *words: str) -> subprocess.CompletedProcess[str]:
    return alertdrill(ledger, "heal", "--give-up", entry_id, "--because", "its host was removed", *words)


def shown_records(ledger: Ledger) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(alertdrill(ledger, "status", "--given-up", "--json").stdout)
    return rows


async def test_what_cannot_be_healed_says_how_to_give_it_up_and_the_command_can_be_copied(
    hopeless: str, ledger: Ledger
) -> None:
    done = alertdrill(ledger, "heal")
    assert done.returncode == 4
    command = f'alertdrill heal --config {config_of(ledger)} --give-up {hopeless} --because "…"'
    problem, advice = done.stderr.splitlines()
    assert problem.startswith(f"alertdrill: {hopeless} is not healed: Toxiproxy at ")
    assert advice == (
        "alertdrill: what you can do: wait until the target is back, or repair it, and run "
        f"`alertdrill heal --config {config_of(ledger)}`; if that is hopeless, give it up: {command}"
    )
    assert command in alertdrill(ledger, "status").stdout


async def test_an_entry_that_cannot_be_undone_is_given_up_with_a_record(
    server: Server, hopeless: str, ledger: Ledger
) -> None:
    seen = give_up(ledger, hopeless, "--dry-run")
    assert (seen.returncode, list(ledger.read().entries)) == (0, [hopeless])
    assert seen.stdout.startswith(
        f"would give up: {hopeless}: latency on proxy db (downstream) may still be in force; "
    )
    done = give_up(ledger, hopeless)
    record = ledger.directory / "given-up" / f"{hopeless}.json"
    left, end = done.stdout.splitlines()
    assert left.startswith("left: latency on proxy db (downstream) may still be in force; Toxiproxy at ")
    assert left.endswith(f"by hand: curl -X DELETE http://{server.address}/proxies/db/toxics/{hopeless}")
    assert end == f"given up: {hopeless}, recorded in {record}; `alertdrill status --given-up` shows it"
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = shown_records(ledger)
    assert (row["id"], row["because"], row["entry"]["drill"]) == (hopeless, "its host was removed", "slow")
    assert row["left"] == left.removeprefix("left: ")
    assert " on " in row["by"]
    table = alertdrill(ledger, "status", "--given-up").stdout
    assert "its host was removed" in " ".join(table.split())
    assert alertdrill(ledger, "heal").returncode == 0
    await require_nothing_in_force(ledger)


async def test_what_can_still_be_undone_is_undone_and_not_given_up(server: Server, ledger: Ledger) -> None:
    entry_id = await leave(ledger, server)
    done = give_up(ledger, entry_id)
    assert done.stdout == f"healed: {entry_id}: latency on proxy db (downstream)\nnothing had to be given up\n"
    assert (done.returncode, toxics(server), shown_records(ledger)) == (0, {}, [])


async def test_a_fault_of_a_running_drill_is_not_given_up(server: Server, ledger: Ledger) -> None:
    async with taken_back(ledger, server):
        (entry_id,) = ledger.read().entries
        done = give_up(ledger, entry_id)
        assert (done.returncode, len(toxics(server))) == (2, 1)
        assert "its process still runs, and undoes it at its end; wait for that, or end the process" in done.stderr
        alertdrill(ledger, "heal", "--force")


async def test_an_unknown_entry_is_an_error_that_names_those_there_are(hopeless: str, ledger: Ledger) -> None:
    done = give_up(ledger, "alertdrill-0")
    assert done.returncode == 2
    assert f"there is no entry 'alertdrill-0' in {ledger.directory}, expected one of: {hopeless}" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--give-up", "alertdrill-0"], '--give-up needs --because "…"'),
        (["--give-up", "alertdrill-0", "--because", " \n"], '--give-up needs --because "…"'),
        (["--because", "gone"], "--because needs --give-up ENTRY"),
        (["--give-up", "alertdrill-0", "--because", "gone", "--force"], "--give-up and --force exclude each other"),
    ],
)
def test_a_reason_is_needed(words: list[str], expected: str, ledger: Ledger) -> None:
    done = alertdrill(ledger, "heal", *words)
    assert (done.returncode, expected in done.stderr) == (2, True)


@pytest.mark.parametrize(("text", "code"), [("{", 4), ("{}", 2), ('{"signature": "00"}', 2), ("\udcff", 4)])
async def test_a_damaged_or_foreign_entry_is_given_up_and_never_carried_out(
    text: str, code: int, ledger: Ledger
) -> None:
    ledger_files.append(_made(ledger), "watchdog.log", "")
    (ledger.directory / "alertdrill-1.json").write_bytes(text.encode(errors="surrogateescape"))
    done = alertdrill(ledger, "heal")
    assert done.returncode == code
    assert '--give-up alertdrill-1 --because "…"' in done.stderr
    assert give_up(ledger, "alertdrill-1").returncode == 0
    (row,) = shown_records(ledger)
    # It may hold a secret, so only the record has it.
    assert (row["entry"], row["file"]) == (None, "<secret>")
    assert read_records(ledger)[0]["alertdrill-1"].file == text.replace("\udcff", r"\xff")
    assert "what it broke is unknown" in row["left"]
    assert "unknown: the entry was damaged" in " ".join(alertdrill(ledger, "status", "--given-up").stdout.split())
    await require_nothing_in_force(ledger)


def _made(ledger: Ledger) -> Path:
    with ledger_files.made(ledger.directory):
        return ledger.directory


async def test_a_record_that_was_changed_is_not_read_and_one_in_the_place_of_an_entry_is_refused(
    hopeless: str, ledger: Ledger
) -> None:
    give_up(ledger, hopeless)
    record = ledger.directory / "given-up" / f"{hopeless}.json"
    assert record.stat().st_mode & 0o777 == 0o600
    written = record.read_text()
    (ledger.directory / record.name).write_text(written)
    assert "was not signed with the key of this ledger" in ledger.read().refused[0]
    (ledger.directory / record.name).unlink()
    record.write_text(written.replace("its host was removed", "it never was"))
    assert read_records(ledger) == (
        {},
        [f"the record {record} is not read: it was not signed with the key of this ledger"],
    )
    done = alertdrill(ledger, "status", "--given-up")
    assert (done.returncode, "is not read" in done.stderr) == (2, True)


async def test_an_entry_stays_when_its_end_cannot_be_recorded(hopeless: str, ledger: Ledger) -> None:
    (ledger.directory / "given-up").write_text("in the way")
    done = give_up(ledger, hopeless)
    assert (done.returncode, list(ledger.read().entries)) == (4, [hopeless])
    assert f"{hopeless} cannot be given up, so its entry stays: " in done.stderr


async def test_a_hopeless_entry_stops_only_drills_of_its_own_servers(
    server: Server, hopeless: str, ledger: Ledger
) -> None:
    lines: list[str] = []
    elsewhere = frozenset({await canonical("postgres:5432")})
    await heal_abandoned(ledger, lines.append, elsewhere)
    await require_nothing_in_force(ledger, elsewhere)
    assert lines[0].startswith(f"{hopeless} is not healed: Toxiproxy at ")
    assert lines[0].endswith("; the drill goes on, for it breaks other targets")
    assert f"--give-up {hopeless}" in lines[1]
    # Another spelling of the same server.
    here = frozenset({await canonical(f"http://localhost:{server.spec.port}")})
    with pytest.raises(FaultNotHealed, match=f"{hopeless} is not healed: .*\nwhat you can do: "):
        await heal_abandoned(ledger, print, here)
    with pytest.raises(FaultNotApplied, match=f"{hopeless}: latency on proxy db"):
        await require_nothing_in_force(ledger, here)


async def test_an_entry_that_does_not_say_what_it_broke_stops_every_drill(hopeless: str, ledger: Ledger) -> None:
    """Such as one of an older version, or a damaged one."""
    entry = ledger.read().entries[hopeless]
    ledger.write(hopeless, entry.model_copy(update={"servers": None}))
    with pytest.raises(FaultNotApplied, match=f"{hopeless}: latency on proxy db"):
        await require_nothing_in_force(ledger, frozenset({"postgres:5432"}))
    (ledger.directory / f"{hopeless}.json").write_text("{")
    with pytest.raises(FaultNotApplied, match="cannot be read"):
        await require_nothing_in_force(ledger, frozenset({"postgres:5432"}))


async def test_a_hopeless_entry_ends_one_drill_of_several_and_the_next_begins(hopeless: str, ledger: Ledger) -> None:
    entry = ledger.read().entries[hopeless]
    ledger.write(hopeless, entry.model_copy(update={"servers": ("process 1",)}))
    drill = "drill: {name}\nload: {{rate: 1}}\nexpect: [{{alert: A}}]\nfaults: [{{kind: process, action: stop, name: {what}}}]\n"
    files = [ledger.directory.parent / f"{name}.yml" for name in ("same", "other")]
    for file, what in zip(files, ("'1'", "nothing"), strict=True):
        file.write_text(drill.format(name=file.stem, what=what))
    done = alertdrill(ledger, "drill", *map(str, files), "--output", str(ledger.directory.parent / "out"))
    assert f"alertdrill: drill same: {hopeless} is not healed: Toxiproxy at " in done.stdout
    # There is no Prometheus here.
    assert "Prometheus cannot be reached: http://127.0.0.1:1/" in done.stderr


async def test_a_toxic_whose_entry_was_given_up_is_named_when_its_server_is_back(
    server: Server, ledger: Ledger
) -> None:
    entry_id = await leave(ledger, server)
    entry = ledger.read().entries[entry_id]
    record_end(ledger, entry_id, entry, "its server is away", "a toxic")
    expected = rf"has the toxic {entry_id} on the proxy db, whose entry was given up: curl -X DELETE "
    with pytest.raises(FaultNotApplied, match=expected):
        await require_no_other_toxics(Toxiproxy(f"http://{server.address}"), ledger)
