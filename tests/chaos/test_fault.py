"""A fault against the real Toxiproxy, with toxiproxy-python as the independent witness."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.guard import Guards
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import PATIENCE_SECONDS
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.toxiproxy.latency import Latency
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server
from alertdrill.units.shielding import to_the_end
from tests.support.left_behind import taken_back
from tests.support.toxiproxy_server import endpoints, toxics, witness

FAULT = Latency(proxy="db", latency=timedelta(milliseconds=1500), jitter=timedelta(milliseconds=20))


async def test_it_is_in_force_for_the_block_and_in_the_ledger_meanwhile(server: Server, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", "slow")
    async with applied(FAULT, endpoints(server), ledger):
        ((entry_id, entry),) = ledger.read().entries.items()
        ((name, toxic),) = toxics(server).items()
        assert name == entry_id
        assert (entry.fault, entry.target, entry.drill) == ("latency", "proxy db (downstream)", "slow")
        assert entry.owner == Owner.this_process()
        assert entry.expires_at - entry.written_at == pytest.approx(3605)
        assert toxic.attributes == {"latency": 1500, "jitter": 20}
    assert toxics(server) == {}
    assert ledger.read().entries == {}


async def test_it_is_undone_after_an_error_and_after_cancellation(server: Server, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")

    async def fail() -> None:
        async with applied(FAULT, endpoints(server), ledger):
            raise RuntimeError("the drill broke")

    async def hang(injected: asyncio.Event) -> None:
        async with applied(FAULT, endpoints(server), ledger):
            injected.set()
            await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="the drill broke"):
        await fail()
    assert toxics(server) == {}
    injected = asyncio.Event()
    task = asyncio.ensure_future(hang(injected))
    await injected.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert toxics(server) == {}
    assert ledger.read().entries == {}


async def test_toxics_of_others_stay(server: Server, tmp_path: Path) -> None:
    witness(server).get_proxy("db").add_toxic(name="theirs", type="latency", attributes={"latency": 5})
    async with applied(FAULT, endpoints(server), Ledger(tmp_path / "ledger")):
        assert len(toxics(server)) == 2
    assert list(toxics(server)) == ["theirs"]


async def test_a_target_that_became_forbidden_is_not_broken(server: Server, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    forbids = Guards(forbidden=("proxy db *",)).target_problem
    with pytest.raises(FaultNotApplied, match=r"proxy db \(downstream\) is forbidden by guards\.forbidden"):
        async with applied(FAULT, endpoints(server), ledger, forbids=forbids):
            pytest.fail("it is in force")
    assert toxics(server) == {}
    assert ledger.read().entries == {}


async def test_an_unknown_proxy_is_reported_with_the_existing_ones(server: Server) -> None:
    with pytest.raises(FaultNotApplied, match="has no proxy 'dc', expected one of: db"):
        await FAULT.model_copy(update={"proxy": "dc"}).resolve(endpoints(server), "alertdrill-1")


async def test_an_undo_that_cannot_be_confirmed_stays_in_the_ledger(server: Server, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with pytest.raises(FaultNotHealed, match="cannot be reached"):
        async with applied(FAULT, endpoints(server), ledger):
            await server.stop()
    assert len(ledger.read().entries) == 1


async def test_a_fault_that_was_taken_back_is_reported_and_undone_again(server: Server, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with taken_back(ledger, server):
        (entry_id,) = ledger.read().entries
        ledger.lapse(entry_id)
        assert ledger.read().lapsed == {entry_id}
    assert toxics(server) == {}
    assert ledger.read().entries == {}


async def test_the_undo_waits_for_a_restarting_server(server: Server, tmp_path: Path) -> None:
    for attempt in range(5):
        ledger = Ledger(tmp_path / f"ledger-{attempt}")
        starting, killed_at = None, 0.0
        try:
            async with applied(FAULT, endpoints(server), ledger):
                server.kill()
                killed_at = monotonic()
                starting = asyncio.create_task(_start_again(server, tmp_path))
            break
        except FaultNotHealed:
            assert starting is not None
            server, ready_at = await starting
            if ready_at - killed_at < PATIENCE_SECONDS - 1:  # else this machine took too long to start it
                raise
            witness(server).create(name="db", listen="127.0.0.1:0", upstream="127.0.0.1:1", enabled=True)
    assert ledger.read().entries == {}
    assert starting is not None
    await (await starting)[0].stop()


async def _start_again(server: Server, directory: Path) -> tuple[Server, float]:
    """Start it a little later; return it, and when it was ready."""
    await asyncio.sleep(0.3)
    again = Server(server.spec, directory, find_programs()["setpriv"])
    await again.wait_ready()
    return again, monotonic()


def test_a_fault_cannot_last_longer_than_its_limit() -> None:
    with pytest.raises(ValidationError, match="lasts 2h, longer than its at_most of 1h"):
        Latency(proxy="db", latency=timedelta(seconds=1), lasts=timedelta(hours=2))


async def test_without_a_ledger_nothing_is_broken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FaultNotApplied, match="cannot be written, so nothing is broken"):
        async with applied(FAULT, endpoints(server), Ledger(tmp_path / "file" / "ledger")):
            pass
    assert toxics(server) == {}


async def test_cancellation_waits_for_work_that_must_end() -> None:
    steps = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        steps.append("healed")

    task = asyncio.ensure_future(to_the_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["healed"]


def test_help_loads_no_library_that_only_a_command_needs() -> None:
    code = (
        "import sys, alertdrill.agent.cli\n"
        "heavy = {'aiohttp', 'jinja2', 'asyncpg', 'redis', 'promql_parser'} & set(sys.modules)\n"
        "sys.exit(bool(heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
