"""Cores kept busy and memory taken, seen in /proc."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.machine.memory import available_mebibytes
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import KilledAgent, endpoints, fault, holders
from tests.support.waiting import until

CPU = {"kind": "cpu", "cores": 2, "share": 0.3, "niceness": 19}
MEMORY = {"kind": "memory", "mebibytes": 64}
CORES = len(os.sched_getaffinity(0))


def resident_mebibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS:"))


def goes_first(pid: int) -> bool:
    """Return whether the kernel would kill a process first when memory runs out."""
    return Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"


def busy_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize(("settings", "count"), [(CPU, 2), (MEMORY, 1)], ids=["cpu", "memory"])
async def test_pressure_that_somebody_ended_is_noticed(tmp_path: Path, settings: dict[str, Any], count: int) -> None:
    if settings is CPU and CORES < 2:
        pytest.skip("needs two cores")
    async with applied(fault(**settings), endpoints(), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() == ""
        (one, *_) = holders(f"alertdrill.chaos.machine.{settings['kind']}")
        one.send(signal.SIGKILL)

        async def is_noticed() -> bool:
            told = await injection.taken_back()
            return told == f"1 of {count} processes that hold the fault have ended"

        await until(is_noticed, "it is noticed")


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
async def test_the_cores_are_busy_for_the_block(tmp_path: Path) -> None:
    async with applied(fault(**CPU), endpoints(), Ledger(tmp_path / "ledger")):
        burning = holders("alertdrill.chaos.machine.cpu")
        assert len(burning) == 2
        before = {one.pid: busy_ticks(one.pid) for one in burning}

        async def all_burn() -> bool:
            return all(busy_ticks(pid) > ticks + 10 for pid, ticks in before.items())

        await until(all_burn, "each takes processor time")
        lowest = min(os.getpriority(os.PRIO_PROCESS, 0) + 19, 19)
        assert [os.getpriority(os.PRIO_PROCESS, one.pid) for one in burning] == [lowest, lowest]
    assert holders("alertdrill.chaos.machine.cpu") == []


async def test_the_memory_is_taken_for_the_block(tmp_path: Path) -> None:
    async with applied(fault(**MEMORY), endpoints(), Ledger(tmp_path / "ledger")):
        (taking,) = holders("alertdrill.chaos.machine.memory")
        assert 64 <= resident_mebibytes(taking.pid) < 64 + 64
        assert goes_first(taking.pid)
    assert holders("alertdrill.chaos.machine.memory") == []


@pytest.mark.parametrize("settings", [CPU | {"cores": 1}, MEMORY])
async def test_pressure_ends_with_its_agent_and_heal_says_so(tmp_path: Path, settings: dict[str, Any]) -> None:
    agent = KilledAgent(tmp_path / "ledger", settings)
    assert len(holders(f"alertdrill.chaos.machine.{settings['kind']}")) == 1
    agent.kill()

    async def is_over() -> bool:
        return holders(f"alertdrill.chaos.machine.{settings['kind']}") == []

    await until(is_over, "it ends without any heal")
    await agent.heal()


@pytest.mark.parametrize("settings", [CPU | {"cores": 1}, MEMORY])
async def test_heal_ends_the_pressure_of_an_agent_that_hangs(tmp_path: Path, settings: dict[str, Any]) -> None:
    agent = KilledAgent(tmp_path / "ledger", settings)
    await agent.heal(force=True)
    assert holders(f"alertdrill.chaos.machine.{settings['kind']}") == []
    agent.kill()


async def test_a_fault_that_is_cancelled_while_it_begins_leaves_nothing(tmp_path: Path) -> None:
    async def begin() -> None:
        async with applied(fault(**CPU | {"cores": 1}), endpoints(), Ledger(tmp_path / "ledger")):
            await asyncio.Event().wait()

    for seconds in (0.0, 0.01):
        task = asyncio.ensure_future(begin())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert holders("alertdrill.chaos.machine.cpu") == []
    assert list((tmp_path / "ledger").glob("*.json")) == []


async def test_an_agent_with_more_open_files_than_select_takes_can_press(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with open(os.devnull) as file, contextlib.ExitStack() as opened:  # noqa: ASYNC230, PTH123 - a device
        for _ in range(1100):
            opened.callback(os.close, os.dup(file.fileno()))
        async with applied(fault(**MEMORY), endpoints(), Ledger(tmp_path / "ledger")):
            assert len(holders("alertdrill.chaos.machine.memory")) == 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("settings", [CPU, MEMORY])
def test_two_of_them_add_up(settings: dict[str, Any]) -> None:
    assert fault(**settings).contradicts(fault(**settings)) == ""


async def test_more_than_the_machine_has_is_refused() -> None:
    with pytest.raises(FaultNotApplied, match=f"4096 cores are more than this machine has, expected at most {CORES}"):
        await fault(kind="cpu", cores=4096).resolve(endpoints(), "alertdrill-1")
    with pytest.raises(FaultNotApplied, match=r"MiB are more than 80% of the memory that is available, expected at"):
        await fault(kind="memory", mebibytes=available_mebibytes()).resolve(endpoints(), "alertdrill-1")
