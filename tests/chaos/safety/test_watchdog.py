"""The watchdog beside a real process that dies, hangs or continues, with a real Toxiproxy as the witness."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.watchdog import HUNG_AFTER_SECONDS
from alertdrill.lab.server import Server
from tests.support.leased_agent import LeasedAgent
from tests.support.left_behind import FAULT
from tests.support.toxiproxy_server import endpoints, toxics
from tests.support.waiting import until


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger", "slow")


@pytest.fixture
async def agent(server: Server, ledger: Ledger) -> AsyncIterator[LeasedAgent]:
    running = await LeasedAgent.started(ledger.directory, f"http://{server.address}")
    assert len(toxics(server)) == 1
    yield running
    running.close()


async def until_healed(server: Server) -> None:
    async def none_is_left() -> bool:
        return not await asyncio.to_thread(toxics, server)

    await until(none_is_left, "the fault is undone")


async def until_removed(ledger: Ledger) -> None:
    async def none_is_left() -> bool:
        return not ledger.read().entries

    await until(none_is_left, "the ledger is empty")


async def until_over(agent: LeasedAgent) -> None:
    async def is_over() -> bool:
        return not agent.dog_is_there

    await until(is_over, "the watchdog ends")


async def test_the_fault_of_a_killed_process_is_undone_and_then_the_watchdog_ends(
    server: Server, ledger: Ledger, agent: LeasedAgent
) -> None:
    agent.send(signal.SIGKILL)
    await until_healed(server)
    await until_removed(ledger)
    await until_over(agent)
    assert "healed: alertdrill-" in (ledger.directory / "watchdog.log").read_text()


async def test_a_stopped_process_that_goes_on_learns_that_its_fault_was_undone(
    server: Server, ledger: Ledger, agent: LeasedAgent
) -> None:
    agent.send(signal.SIGSTOP)
    await until_healed(server)
    assert len(ledger.read().lapsed) == 1
    agent.send(signal.SIGCONT)
    told = await agent.says()
    assert told.startswith("lost: latency on proxy db (downstream) was undone by the watchdog: process ")
    assert told.endswith(f"did not respond for more than {HUNG_AFTER_SECONDS} s")
    assert await agent.says() == "FaultTakenBack"
    assert await agent.says() == ""
    await until_over(agent)
    assert (toxics(server), ledger.read().entries) == ({}, {})


async def test_a_stopped_process_that_dies_leaves_nothing(server: Server, ledger: Ledger, agent: LeasedAgent) -> None:
    agent.send(signal.SIGSTOP)
    await until_healed(server)
    agent.send(signal.SIGKILL)
    await until_removed(ledger)
    await until_over(agent)
    assert toxics(server) == {}


async def test_a_fault_that_outlasts_its_longest_duration_is_undone(
    server: Server, ledger: Ledger, agent: LeasedAgent
) -> None:
    ((entry_id, entry),) = ledger.read().entries.items()
    ledger.write(entry_id, entry.model_copy(update={"expires_at": entry.written_at}))
    await until_healed(server)
    assert (await agent.says()).endswith("was undone by the watchdog: it lasted longer than its at_most")
    assert await agent.says() == "FaultTakenBack"


async def test_a_process_learns_that_its_watchdog_is_dead(server: Server, ledger: Ledger, agent: LeasedAgent) -> None:
    os.kill(agent.dog, signal.SIGKILL)
    assert await agent.says() == "lost: the watchdog ended"
    assert await agent.says() == ""
    assert (toxics(server), ledger.read().entries) == ({}, {})


async def test_the_signals_of_a_terminal_do_not_end_it(server: Server, agent: LeasedAgent) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(agent.dog, number)
    agent.send(signal.SIGKILL)
    await until_healed(server)
    await until_over(agent)


async def test_faults_of_other_drills_and_processes_stay(server: Server, ledger: Ledger, agent: LeasedAgent) -> None:
    async with applied(FAULT, endpoints(server), Ledger(ledger.directory, "other")):
        agent.send(signal.SIGKILL)
        await until_over(agent)
        assert len(toxics(server)) == len(ledger.read().entries) == 1


async def test_it_ends_at_once_when_nothing_is_in_force(ledger: Ledger) -> None:
    async with leased(ledger, pytest.fail) as dog:
        assert dog.poll() is None
    assert dog.wait(timeout=60) == 0


async def test_a_fault_that_could_not_be_undone_is_handed_over(server: Server, ledger: Ledger) -> None:
    """The owner still lives, but has closed the pipe, so that it injects nothing more."""
    async with leased(ledger, pytest.fail) as dog:
        kept = applied(FAULT, endpoints(server), ledger)
        await kept.__aenter__()
    await until_healed(server)
    await until_removed(ledger)
    assert dog.wait(timeout=60) == 0


async def test_without_a_watchdog_nothing_is_broken(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FaultNotApplied, match="the watchdog cannot be started, so nothing is broken"):
        async with leased(ledger, pytest.fail):
            pass


def test_it_loads_little_while_there_is_no_fault() -> None:
    code = "import sys, alertdrill.chaos.safety.watchdog\nsys.exit(bool({'aiohttp', 'asyncio', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
