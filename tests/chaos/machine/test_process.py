"""Processes of the test are killed and stopped; a supervisor like the lab's restarts them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.machine import holder, processes
from alertdrill.chaos.machine.process import ProcessInjection
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.ports import free_ports
from tests.support.breaking import KilledAgent, endpoints, fault, holders
from tests.support.waiting import until

NAME = "payment-engine:8080"
# It sleeps, runs, or waits for the disk.
GOES_ON = {"S", "R", "D"}
_SERVER = """
import os, socket, sys
from pathlib import Path
part = Path(sys.argv[2] + ".part")
part.write_text(str(os.getpid()))
part.rename(sys.argv[2])
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listening.accept()[0].close()
"""
_DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
_DRAINING = """
import signal
signal.signal(signal.SIGTERM, lambda *_: signal.alarm(1))
"""
_SUPERVISOR = """
import subprocess, sys, time
while True:
    subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-S", "-c", *sys.argv[1:]])
    time.sleep(0.05)
"""


class Engine:
    """A server with a port and a pid file."""

    def __init__(self, directory: Path, *, supervised: bool, on_term: str) -> None:
        (self.port,) = free_ports(1)
        self.pid_file = directory / f"{self.port}.pid"
        self.command = [sys.executable, "-S", "-c", on_term + _SERVER, str(self.port), str(self.pid_file)]
        command = [sys.executable, "-S", "-c", _SUPERVISOR, *self.command[3:]] if supervised else self.command
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command])

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    @property
    def state(self) -> str | None:
        found = processes.process(self.pid)
        return found.state if found else None

    async def answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    started: list[Engine] = []

    async def start(*, supervised: bool = False, on_term: str = "") -> Engine:
        started.append(Engine(tmp_path, supervised=supervised, on_term=on_term))
        await until(started[-1].answers, "the engine listens")
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    yield Ledger(tmp_path / "ledger")
    assert list((tmp_path / "ledger").glob("*.json")) == []


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start programs for the length of the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command]))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()


def at(engine: Engine) -> Any:
    return endpoints(addresses={NAME: f"127.0.0.1:{engine.port}"})


@pytest.mark.parametrize("by", ["port", "number", "pid_file"])
async def test_a_process_is_killed_and_the_undo_waits_for_its_restart(engines: Any, ledger: Ledger, by: str) -> None:
    engine = await engines(supervised=True)
    first = engine.pid
    target = {
        "port": {"port": NAME},
        "number": {"port": engine.port},
        "pid_file": {"pid_file": str(engine.pid_file)},
    }[by]
    async with applied(fault(kind="process", action="kill", **target), at(engine), ledger) as injection:
        assert processes.process(first) is None
    assert engine.pid != first
    await until(engine.answers, "it listens again")
    assert injection.outcome.startswith("started again ")
    assert injection.outcome.endswith(f"after its end, as {engine.pid}")


async def test_begins_is_called_while_the_process_still_runs(engines: Any, ledger: Ledger) -> None:
    """The process is gone before that is confirmed, and an alert may fire in between."""
    engine = await engines(supervised=True)
    first, seen = engine.pid, []
    kill = fault(kind="process", action="kill", port=NAME)
    async with applied(kill, at(engine), ledger, lambda: seen.append(processes.process(first))):
        assert [one is not None for one in seen] == [True]
        assert processes.process(first) is None


async def test_it_is_stopped_for_the_block_and_goes_on_after_it(engines: Any, ledger: Ledger) -> None:
    engine, other = await engines(), await engines()
    async with applied(fault(kind="process", action="stop", port=NAME), at(engine), ledger):
        assert engine.state == "T"
        assert other.state != "T"
    assert engine.state in GOES_ON


async def test_a_stopped_process_that_somebody_continued_is_noticed(engines: Any, ledger: Ledger) -> None:
    engine = await engines()
    async with applied(fault(kind="process", action="stop", port=NAME), at(engine), ledger) as injection:
        assert await injection.taken_back() == ""
        os.kill(engine.pid, signal.SIGCONT)

        async def is_noticed() -> bool:
            return str(await injection.taken_back()).endswith(" was continued, or has ended")

        await until(is_noticed, "it is noticed")


async def test_a_process_that_was_stopped_before_stays_stopped(engines: Any) -> None:
    engine = await engines()
    os.kill(engine.pid, signal.SIGSTOP)

    async def is_stopped() -> bool:
        return bool(engine.state == "T")

    await until(is_stopped, "it stands still")
    with pytest.raises(
        FaultNotApplied, match=rf"process {engine.pid} \(.*\) is stopped already: the fault would change nothing"
    ):
        await fault(kind="process", action="stop", port=NAME).resolve(at(engine), "alertdrill-1")
    assert engine.state == "T"


async def test_a_process_that_is_kept_down_comes_back_when_the_fault_ends(engines: Any, ledger: Ledger) -> None:
    engine = await engines(supervised=True)
    first = engine.pid
    settings = {"kind": "process", "action": "kill", "pid_file": str(engine.pid_file), "keep_down": True}

    async def killed_again() -> bool:
        return engine.pid not in {first, second} and processes.process(second) is None

    async def restarted() -> bool:
        return bool(engine.pid != first)

    async def is_noticed() -> bool:
        return await injection.taken_back() == "1 of 1 processes that hold the fault have ended"

    async with applied(fault(**settings), at(engine), ledger) as injection:
        await until(restarted, "the supervisor starts it again")
        second = engine.pid
        await until(killed_again, "the second is killed as well")
        assert await injection.taken_back() == ""
        (keeper,) = holders("alertdrill.chaos.machine.keep_down")
        keeper.send(signal.SIGKILL)
        await until(is_noticed, "a fault that nobody keeps any more is noticed")
    await until(engine.answers, "it listens again")
    assert holders("alertdrill.chaos.machine.keep_down") == []


async def test_a_similar_process_beside_it_is_not_kept_down(started: Any, tmp_path: Path) -> None:
    command = ("sleep", "61.5")
    victim, beside = started(*command), started(*command)

    async def both_run() -> bool:
        return len(processes.with_command(lambda found: found == command)) == 2

    await until(both_run, "both have the same command line")
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(victim.pid))
    settings = {"kind": "process", "action": "kill", "pid_file": str(pid_file), "keep_down": True}
    injection = await fault(**settings).resolve(endpoints(), "alertdrill-beside")
    await injection.inject()
    try:
        anew = started(*command)
        await asyncio.to_thread(anew.wait)
        assert victim.wait() == anew.returncode == -signal.SIGKILL
        assert beside.poll() is None
    finally:
        await holder.release("alertdrill-beside")


async def test_without_a_supervisor_the_fault_starts_it_again(engines: Any, ledger: Ledger) -> None:
    engine = await engines()
    settings = {"kind": "process", "action": "kill", "port": NAME, "signal": "TERM"}
    async with applied(fault(**settings, start=engine.command), at(engine), ledger):
        engine.process.wait()
        assert not await engine.answers()
    assert await engine.answers()
    os.kill(engine.pid, signal.SIGKILL)


async def test_a_process_that_ignores_sigterm_is_killed(engines: Any, ledger: Ledger) -> None:
    engine = await engines(supervised=True, on_term=_DEAF)
    first = engine.pid
    settings = {"kind": "process", "action": "kill", "port": NAME, "signal": "TERM"}
    async with applied(fault(**settings), at(engine), ledger):
        assert processes.process(first) is None
    assert engine.pid != first


async def test_a_draining_process_does_not_count_as_back(engines: Any) -> None:
    """A killed agent has sent its signal, and another process undoes its fault."""
    engine = await engines(on_term=_DRAINING)
    first = engine.pid
    settings = {"kind": "process", "action": "kill", "port": NAME, "signal": "TERM"}
    injection = await fault(**settings, start=engine.command).resolve(at(engine), "alertdrill-drains")
    os.kill(first, signal.SIGTERM)
    await injection.undo()
    assert processes.process(first) is None
    assert await engine.answers()
    os.kill(engine.pid, signal.SIGKILL)


async def test_a_process_that_does_not_come_back_is_not_healed(engines: Any, tmp_path: Path) -> None:
    engine, ledger = await engines(), Ledger(tmp_path / "left")
    settings = {"kind": "process", "action": "kill", "port": NAME, "restarts_within": "100ms"}
    with pytest.raises(FaultNotHealed, match=r"no process listening on 127\.0\.0\.1:\d+ is back within 0\.1 s"):
        async with applied(fault(**settings), at(engine), ledger):
            pass
    assert len(ledger.read().entries) == 1


@pytest.mark.parametrize("settings", [{"action": "stop"}, {"action": "kill"}, {"action": "kill", "keep_down": True}])
async def test_heal_undoes_the_fault_of_a_killed_agent(engines: Any, tmp_path: Path, settings: dict[str, Any]) -> None:
    engine = await engines(supervised=True)
    addresses = {NAME: f"127.0.0.1:{engine.port}"}
    agent = KilledAgent(tmp_path / "ledger", {"kind": "process", "port": NAME, **settings}, addresses=addresses)
    agent.kill()
    await agent.heal()
    assert holders("alertdrill.chaos.machine.keep_down") == []
    assert engine.state in GOES_ON
    assert await engine.answers()


async def test_a_holder_ends_with_its_agent(engines: Any, tmp_path: Path) -> None:
    engine = await engines(supervised=True)
    settings = {"kind": "process", "action": "kill", "port": engine.port, "keep_down": True}
    agent = KilledAgent(tmp_path / "ledger", settings)
    assert len(holders("alertdrill.chaos.machine.keep_down")) == 1

    async def are_gone() -> bool:
        return holders("alertdrill.chaos.machine.keep_down") == []

    agent.kill()
    await until(are_gone, "nobody is left to kill the engine")
    await agent.heal()


async def test_heal_continues_a_process_that_a_hung_agent_stopped(engines: Any, tmp_path: Path) -> None:
    """The agent is still there, but stopped."""
    engine = await engines()
    agent = KilledAgent(tmp_path / "ledger", {"kind": "process", "action": "stop", "port": engine.port})
    await agent.heal(force=True)
    assert engine.state in GOES_ON
    agent.kill()


async def test_the_target_has_the_drills_name_and_the_process(engines: Any) -> None:
    engine = await engines()
    stop = fault(kind="process", action="stop", port=NAME)
    found = await stop.resolve(at(engine), "alertdrill-1")
    assert stop.target == "payment-engine:8080 (stop)"
    assert found.target.startswith(f"payment-engine:8080 (stop): process {engine.pid} ({Path(sys.executable).name})")


async def test_a_process_that_got_the_number_later_is_not_touched(engines: Any) -> None:
    engine = await engines()
    injection = await fault(kind="process", action="stop", port=NAME).resolve(at(engine), "alertdrill-1")
    assert isinstance(injection, ProcessInjection)
    (found,) = injection.processes
    for changed in ({"started_ticks": found.started_ticks + 1}, {"boot_id": "another boot"}):
        other = injection.model_copy(update={"processes": (found.model_copy(update=changed),)})
        with pytest.raises(FaultNotApplied, match="ended by itself before the fault"):
            await other.inject()
        await other.undo()
    assert engine.state in GOES_ON


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"port": "free:80"}, r"there is no process listening on 127\.0\.0\.1:\d+: is it running here"),
        ({"name": "no-such-engine"}, "there is no process with the name 'no-such-engine'"),
        ({"pid_file": "/no/such.pid"}, r"named by the pid file /no/such\.pid: is it running here"),
        ({"port": "192.0.2.1:80"}, "192.0.2.1:80 is not an address of this machine"),
    ],
)
async def test_a_missing_process_is_reported(settings: dict[str, Any], told: str) -> None:
    where = endpoints(addresses={"free:80": f"127.0.0.1:{free_ports(1)[0]}"})
    with pytest.raises(FaultNotApplied, match=told):
        await fault(kind="process", action="stop", **settings).resolve(where, "alertdrill-1")


async def test_more_processes_with_a_name_than_expected_are_refused(started: Any, tmp_path: Path) -> None:
    name = tmp_path / "drilled-engine"
    name.symlink_to("/bin/sleep")
    pids = {started(str(name), "60").pid for _ in range(2)}

    async def run() -> bool:
        return {one.pid for one in processes.named(name.name)} == pids

    await until(run, "both run under the name")
    with pytest.raises(
        FaultNotApplied, match="there are 2 processes with the name 'drilled-engine', expected at most 1"
    ):
        await fault(kind="process", action="stop", name=name.name).resolve(endpoints(), "alertdrill-1")
    found = await fault(kind="process", action="stop", name=name.name, count=2).resolve(endpoints(), "alertdrill-1")
    assert isinstance(found, ProcessInjection)
    assert {one.pid for one in found.processes} == pids


@pytest.mark.parametrize(
    ("find", "why"),
    [
        (lambda: 1, "is the first process of this machine"),
        (os.getpid, "is alertdrill itself, or a process that started it"),
        (os.getppid, "is alertdrill itself, or a process that started it|is the first"),
    ],
)
async def test_the_agent_and_its_parents_are_refused(tmp_path: Path, find: Callable[[], int], why: str) -> None:
    (tmp_path / "pid").write_text(f"{find()}\n")
    with pytest.raises(FaultNotApplied, match=f"is never touched: it ({why})"):
        await fault(kind="process", action="kill", pid_file=str(tmp_path / "pid")).resolve(endpoints(), "alertdrill-1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
async def test_a_process_of_another_user_is_refused(started: Any, tmp_path: Path) -> None:
    stranger = started("--reuid", "65534", "--clear-groups", "--", "sleep", "60")

    async def runs() -> bool:
        found = processes.process(stranger.pid)
        return found is not None and found.uid == 65534

    await until(runs, "the stranger runs")
    (tmp_path / "pid").write_text(f"{stranger.pid}\n")
    with pytest.raises(FaultNotApplied, match="it belongs to nobody, and alertdrill runs as root"):
        await fault(kind="process", action="kill", pid_file=str(tmp_path / "pid")).resolve(endpoints(), "alertdrill-1")
    assert stranger.poll() is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"action": "kill"}, "has no target, expected one of pid_file, name and port"),
        ({"action": "kill", "port": "engine"}, "'engine' is not a port, expected a number such as 8080, or host:port"),
        ({"action": "kill", "port": 65536}, "65536 is not a port, expected a number"),
        ({"action": "kill", "port": "engine:0"}, "'engine:0' is not a port, expected a number"),
        ({"action": "kill", "name": "a", "port": 80}, "has name and port, expected one of"),
        ({"action": "stop", "port": 80, "keep_down": True}, "has keep_down, which is for action kill"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        fault(kind="process", **settings)
