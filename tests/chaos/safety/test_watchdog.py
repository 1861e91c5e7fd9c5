"""The watchdog beside a real process that dies, hangs or continues, with a real Toxiproxy as the witness."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.http.fault import HttpInjection
from alertdrill.chaos.machine.processes import with_command
from alertdrill.chaos.registry import FAULTS, fault_class
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.lease import WatchdogTimes, leased
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import HUNG_AFTER_SECONDS
from alertdrill.lab.server import Server
from alertdrill.units.processor_time import Counters
from tests.support.breaking import KilledAgent, fault
from tests.support.leased_agent import LeasedAgent
from tests.support.left_behind import FAULT
from tests.support.toxiproxy_server import endpoints, toxics
from tests.support.waiting import until

LOCK = fault(kind="postgres", url="postgresql://shop@there/shop", action="lock", table="orders")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger", "slow")


@pytest.fixture
async def agent(server: Server, ledger: Ledger) -> AsyncIterator[LeasedAgent]:
    while (running := await LeasedAgent.started(ledger.directory, f"http://{server.address}")) is None:
        await until_healed(server)
        await until_removed(ledger)
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
    async with leased(ledger, pytest.fail, []) as dog:
        assert dog.poll() is None
    assert dog.wait(timeout=60) == 0


async def test_a_fault_that_could_not_be_undone_is_handed_over(server: Server, ledger: Ledger) -> None:
    """The owner still lives, but has closed the pipe, so that it injects nothing more."""
    async with leased(ledger, pytest.fail, []) as dog:
        kept = applied(FAULT, endpoints(server), ledger)
        await kept.__aenter__()
    await until_healed(server)
    await until_removed(ledger)
    assert dog.wait(timeout=60) == 0


async def test_without_a_watchdog_nothing_is_broken(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FaultNotApplied, match="the watchdog cannot be started, so nothing is broken"):
        async with leased(ledger, pytest.fail, []):
            pass


def test_its_owner_loads_little_for_it() -> None:
    code = "import sys, alertdrill.chaos.safety.watchdog\nsys.exit(bool({'aiohttp', 'asyncio', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_it_has_loaded_all_that_undoes_a_fault_when_it_is_ready(ledger: Ledger) -> None:
    """Loading takes seconds on a busy machine, and a fault must be undone within two."""
    async with leased(ledger, pytest.fail, [LOCK]) as dog:
        mapped = await asyncio.to_thread(Path(f"/proc/{dog.pid}/maps").read_text)
    assert "/pydantic_core/" in mapped
    assert "/asyncpg/" in mapped
    assert "/aiohttp/" not in mapped


async def test_a_fault_whose_library_is_not_installed_leaves_the_watchdog_to_the_others(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asyncpg.py").write_text("raise ModuleNotFoundError('there is no asyncpg', name='asyncpg')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with leased(ledger, pytest.fail, [LOCK, FAULT]) as dog:
        mapped = await asyncio.to_thread(Path(f"/proc/{dog.pid}/maps").read_text)
    assert "/aiohttp/" in mapped
    assert "/asyncpg/" not in mapped


def _machine(busy: float) -> Callable[[int], Counters]:
    """Return a reading of two processors, of whose time so much is used and waited for."""

    def read(_: int) -> Counters:
        now = time.monotonic()
        return Counters(now, 2 * now, 2 * now * (1 - busy), 0.0, now * busy, None, None)

    return read


async def test_a_watchdog_that_is_stopped_hangs_if_the_machine_had_time_for_it(ledger: Ledger) -> None:
    said = asyncio.Queue[str]()
    async with leased(ledger, said.put_nowait, [], patience=WatchdogTimes(look_seconds=2), read=_machine(0.0)) as dog:
        os.kill(dog.pid, signal.SIGSTOP)
        reason = await said.get()
        os.kill(dog.pid, signal.SIGCONT)
    hangs = r"the watchdog hangs: it did not look for \d+\.\d s, and this machine had the time for it"
    assert re.fullmatch(hangs, reason)


async def test_a_watchdog_that_is_slow_does_not_hang_while_the_machine_is_short_of_time(ledger: Ledger) -> None:
    said, looks = list[str](), list[float]()
    busy = _machine(1.0)

    def read(pid: int) -> Counters:
        looks.append(time.monotonic())
        return busy(pid)

    async def looked_often() -> bool:
        return len(looks) > before + 5

    async with leased(
        ledger, said.append, [], patience=WatchdogTimes(look_seconds=2, look_if_short_seconds=900), read=read
    ) as dog:
        os.kill(dog.pid, signal.SIGSTOP)
        before = len(looks)
        await until(looked_often, "the owner sees again and again that the watchdog does not look")
        os.kill(dog.pid, signal.SIGCONT)
    assert said == []
    assert dog.wait(timeout=60) == 0


async def test_a_watchdog_that_never_gets_the_processor_is_not_called_hanging(ledger: Ledger) -> None:
    said = asyncio.Queue[str]()
    patience = WatchdogTimes(look_seconds=0.5, look_if_short_seconds=1.5)
    async with leased(ledger, said.put_nowait, [], patience=patience, read=_machine(1.0)) as dog:
        os.kill(dog.pid, signal.SIGSTOP)
        reason = await said.get()
        os.kill(dog.pid, signal.SIGCONT)
    short = (
        r"the watchdog did not look for \d+\.\d s, because this machine is short of processor time \(100% used, .*\)"
    )
    assert re.fullmatch(short, reason)


async def test_a_busy_machine_has_more_time_for_the_start(ledger: Ledger) -> None:
    patience = WatchdogTimes(ready_seconds=0, ready_if_short_seconds=300)
    async with leased(ledger, pytest.fail, [], patience=patience, read=_machine(1.0)) as dog:
        assert dog.poll() is None


@pytest.mark.parametrize(
    ("busy", "why"),
    [(0.0, ""), (1.0, r" within 0 s, because this machine is short of processor time \(100% used, .*\)")],
)
async def test_a_watchdog_that_is_not_ready_in_time_lets_nothing_be_broken(
    ledger: Ledger, busy: float, why: str
) -> None:
    with pytest.raises(FaultNotApplied, match=f"the watchdog does not start{why}, so nothing is broken"):
        async with leased(ledger, pytest.fail, [], patience=WatchdogTimes(0, 0), read=_machine(busy)):
            pass


_ALONE = """
import sys, time
from pathlib import Path
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import Watchdog
from alertdrill.units.processor_time import Counters

class Stuck:
    is_idle = True
    def take(self, entry_id):
        time.sleep(1000)

def read(pid):
    now = time.monotonic()
    return Counters(now, 2 * now, 2 * now * (1 - float(busy)), 0.0, now * float(busy), None, None)

directory, busy, pid, started, boot = sys.argv[1:]
Watchdog(Path(directory), "slow", Owner(int(pid), int(started), boot), Stuck(), read).run()
"""


@contextmanager
def _alone(ledger: Ledger, owner: Owner, *, busy: float = 0.0) -> Iterator[IO[str]]:
    """Run a watchdog that hears nothing of its owner, and is stuck as soon as it undoes a fault; yield what it says."""
    which = [str(owner.pid), str(owner.started), owner.boot]
    command = [sys.executable, "-c", _ALONE, str(ledger.directory), str(busy), *which]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as alone:
        assert alone.stdout is not None
        assert alone.stdout.readline() == "ready\n"
        yield alone.stdout
        alone.kill()


def _write(ledger: Ledger, owner: Owner, expires_at: float) -> None:
    call = {"url": "http://127.0.0.1:1"}
    injection = HttpInjection.model_validate({"words": "shop", "begin": call, "end": call})
    times = {"written_at": 0, "expires_at": expires_at}
    ledger.write(
        ledger.new_id(), Entry(fault="http", target="shop", drill="slow", owner=owner, injection=injection, **times)
    )


@pytest.mark.parametrize(
    ("busy", "why"),
    [(0.0, ""), (1.0, r", because this machine is short of processor time \(100% used, .*\)")],
)
def test_it_says_whether_the_machine_is_why_its_owner_does_not_respond(ledger: Ledger, busy: float, why: str) -> None:
    owner = Owner.this_process()
    _write(ledger, owner, time.time() + 3600)
    with _alone(ledger, owner, busy=busy) as lines:
        lapsed = next(line for line in lines if line.startswith("lapsed: "))
    silent = rf"http on shop was undone by the watchdog: process {owner.pid} did not respond for more than 1\.2 s"
    assert re.fullmatch(f"lapsed: {silent}{why}\n", lapsed)


def test_it_says_for_how_long_it_has_not_looked_when_it_is_stuck(ledger: Ledger) -> None:
    owner = Owner.this_process()
    with _alone(ledger, owner) as lines:
        _write(ledger, owner, 0)
        since = (float(line.split()[1]) for line in lines if line.startswith("watching "))
        assert next(seconds for seconds in since if seconds > 1.5)


async def test_it_ends_when_its_owner_is_gone_and_the_ledger_was_deleted(tmp_path: Path) -> None:
    begun, ended, folder = tmp_path / "begun", tmp_path / "ended", tmp_path / "ledger"
    undo = ["sh", "-c", f"echo $$ > {begun}; sleep 45; touch {ended}"]
    settings = {"kind": "command", "begin": {"run": ["true"]}, "end": {"run": undo, "within": "50s"}}
    agent = await KilledAgent.in_a_thread(folder, settings, watched=True)
    dogs = with_command(lambda command: "alertdrill.chaos.safety.watchdog" in command and str(folder) in command)
    agent.kill()

    async def is_under_way() -> bool:
        return begun.exists() and bool(begun.read_text())

    async def are_over() -> bool:
        return all(dog.state is None for dog in dogs)

    await until(is_under_way, "the watchdog undoes it")
    shutil.rmtree(folder)
    await until(are_over, "the watchdog ends")
    assert len(dogs) == 1
    assert not ended.exists()
    os.killpg(os.getpgid(int(begun.read_text())), signal.SIGKILL)


def _loaded_for_use(folder: Path) -> set[str]:
    """Return the modules of the program that the files of a folder import within functions."""
    functions = (
        node
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    within = (one for function in functions for one in ast.walk(function) if isinstance(one, ast.ImportFrom))
    return {one.module for one in within if one.module and one.module.startswith("alertdrill.")}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_names_what_it_loads_only_for_use(kind: str) -> None:
    """The watchdog loads it before the drill begins: during a fault the machine may be too slow for that.

    What else a package loads for use is small, once its client is loaded.
    """
    cls = fault_class(kind)
    found = _loaded_for_use(Path(inspect.getfile(cls)).parent)
    assert cls.client_module in (found or {""})
