"""A process is killed, or stopped for a while.

kind: process
action: kill                      # or stop: it stands still, and goes on at the end
port: payment-engine:8080         # or pid_file: /run/engine.pid, or name: engine
signal: KILL                      # or TERM
keep_down: true                   # killed again whenever it comes back, until the fault ends
start: [/usr/bin/engine, --fast]  # unless somebody else starts it again
restarts_within: 90s
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import subprocess
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.machine import holder
from alertdrill.chaos.machine.keep_down import KeptDown
from alertdrill.chaos.machine.processes import ProcessEnded, RunningProcess, ancestors
from alertdrill.chaos.machine.sockets import own_address
from alertdrill.chaos.machine.whereabouts import Whereabouts
from alertdrill.units.duration import Duration
from alertdrill.units.polling import poll

_LOOK_EVERY_SECONDS = 0.02
_CONTINUES_WITHIN_SECONDS = 2.0
# Also how long it may take over a SIGTERM.
_ENDS_WITHIN_SECONDS = 10.0
# An undo is given up after two minutes, beside the time in which the process ends.
_LONGEST_RESTART = timedelta(seconds=110)
_PLACE = re.compile(r"(?:[^:\s]+:)?(\d+)")


def _as_place(port: object) -> object:
    found = _PLACE.fullmatch(str(port)) if isinstance(port, int | str) and not isinstance(port, bool) else None
    if found is None or not 0 < int(found[1]) < 65536:
        msg = f"{port!r} is no port, expected a number such as 8080, or host:port"
        raise ValueError(msg)
    return str(port)


class ProcessInjection(Injection):
    """The processes that were found, where to look for them when they are back, and who starts them again."""

    kind: Literal["process"] = "process"
    name: str
    words: str
    action: Literal["kill", "stop"]
    signal: Literal["KILL", "TERM"]
    where: Whereabouts
    processes: tuple[RunningProcess, ...]
    keep_down: bool
    start: tuple[str, ...]
    restarts_within: Duration
    _ended_at: float | None = PrivateAttr(None)

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"{self.words}: {', '.join(process.words for process in self.processes)}"

    @property
    def longest_undo(self) -> timedelta:
        """How long undoing it may take before it counts as hung."""
        return super().longest_undo + timedelta(seconds=_ENDS_WITHIN_SECONDS)

    async def inject(self) -> None:
        """Kill or stop it, and see that it is so; raises FaultNotApplied."""
        try:
            if self.action == "stop":
                await self._send(SIGSTOP)
                await _until(
                    self._all_in("Tt"), _CONTINUES_WITHIN_SECONDS, FaultNotApplied, f"{self.words}: it goes on"
                )
                return
            await self._kill()
        except PermissionError as error:
            raise FaultNotApplied(f"{self.words}: it may not be signalled: {error.strerror}") from error
        self._ended_at = time.time()

    async def undo(self) -> None:
        """Let it go on, or wait until it is back; raises FaultNotHealed when it is not."""
        if self.action == "stop":
            await self._go_on()
            return
        await holder.release(self.name)
        if self.signal == "TERM":
            # What still drains would be taken for its own successor; what lives on was never told to end.
            await _comes_true(self._all_in(None), _ENDS_WITHIN_SECONDS)
        if self.keep_down:
            # What was hit last may still be seen for an instant.
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if self.start and not await self._is_back():
            await asyncio.to_thread(_start, self.start)
        within = self.restarts_within.total_seconds()
        await _until(
            self._is_back, within, FaultNotHealed, f"no process {self.where.words} is back within {within:g} s"
        )
        await self._tell_how_soon()

    async def _kill(self) -> None:
        if self.keep_down:
            kept = KeptDown(where=self.where, processes=self.processes, signal=self.signal)
            await holder.hold("alertdrill.chaos.machine.keep_down", self.name, kept)
        await self._send(Signals[f"SIG{self.signal}"])
        if self.signal == "TERM" and not await _comes_true(self._all_in(None), _ENDS_WITHIN_SECONDS):
            self._send_to_the_rest(SIGKILL, FaultNotApplied)
        text = f"{self.words}: it does not end on SIGKILL within {_ENDS_WITHIN_SECONDS:g} s"
        await _until(self._all_in(None), _ENDS_WITHIN_SECONDS, FaultNotApplied, text)

    async def _send(self, number: Signals) -> None:
        for process in self.processes:
            try:
                process.send(number)
            except ProcessEnded as error:
                # Of a process that is kept down, the holder may have been quicker.
                if not self.keep_down:
                    raise FaultNotApplied(f"{process.words} ended by itself before the fault") from error

    def _send_to_the_rest(self, number: Signals, error: type[Exception]) -> None:
        for process in self.processes:
            try:
                process.send(number)
            except ProcessEnded:
                continue
            except PermissionError as refused:
                raise error(f"{process.words} may not be signalled: {refused.strerror}") from refused

    async def _go_on(self) -> None:
        self._send_to_the_rest(SIGCONT, FaultNotHealed)
        await _until(self._none_stopped, _CONTINUES_WITHIN_SECONDS, FaultNotHealed, f"{self.words}: it does not go on")

    def _all_in(self, states: str | None) -> Callable[[], Awaitable[bool]]:
        async def holds() -> bool:
            found = [process.state for process in self.processes]
            return all(state is None if states is None else (state or "") in states for state in found)

        return holds

    async def _none_stopped(self) -> bool:
        return not any(process.state == "T" for process in self.processes)

    async def _is_back(self) -> bool:
        found = await asyncio.to_thread(self.where.find)
        return len(found) >= len(self.processes) and await self.where.answers()

    async def _tell_how_soon(self) -> None:
        new = [one for one in await asyncio.to_thread(self.where.find) if one not in self.processes]
        if new and self._ended_at is not None:
            seconds = max(max(one.started_at for one in new) - self._ended_at, 0.0)
            self._outcome = f"started again {seconds:.1f} s after its end, as {', '.join(str(one.pid) for one in new)}"


class Process(Fault):
    """Kill or stop what is found by pid file, exact name, or port: at least one process, and at most `count`."""

    kind: Literal["process"] = "process"
    action: Literal["kill", "stop"]
    pid_file: str | None = Field(default=None, min_length=1)
    name: str | None = Field(default=None, min_length=1)
    port: Annotated[str, BeforeValidator(_as_place)] | None = None
    count: int = Field(default=1, ge=1)
    signal: Literal["KILL", "TERM"] = "KILL"
    keep_down: bool = False
    start: tuple[str, ...] = ()
    restarts_within: Duration = Field(default=timedelta(seconds=90), gt=timedelta(0), le=_LONGEST_RESTART)

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        given = [key for key in ("pid_file", "name", "port") if getattr(self, key) is not None]
        if len(given) != 1:
            msg = f"has {' and '.join(given) or 'no target'}, expected one of pid_file, name and port"
            raise ValueError(msg)
        if self.action == "stop":
            for key in ("signal", "keep_down", "start", "restarts_within"):
                if key in self.model_fields_set:
                    msg = f"has {key}, which is for action kill: a stopped process goes on by itself"
                    raise ValueError(msg)
        return self

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"{self._place} ({self.action})"

    @property
    def _place(self) -> str | None:
        return self.pid_file or self.name or self.port

    def contradicts(self, other: Fault) -> str:
        """Say why another cannot be in force at the same time: what stands still neither ends nor comes back."""
        same = isinstance(other, Process) and other._place == self._place  # noqa: SLF001 - of its own kind
        return "both are of one process" if same else ""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> ProcessInjection:
        """Find the processes; raises FaultNotApplied for none, for too many, and for any that must not be touched."""
        where = self._where(endpoints)
        found = await asyncio.to_thread(where.find)
        if not found:
            unseen = where.is_served()
            hint = "somebody listens there, whom only root or its own user can see" if unseen else "is it running here?"
            raise FaultNotApplied(f"there is no process {where.words}: {hint}")
        if len(found) > self.count:
            some = ", ".join(one.words for one in found[:5])
            raise FaultNotApplied(f"{len(found)} processes are {where.words}, expected at most {self.count}: {some}")
        for process in found:
            _require_ours(process)
            if self.action == "stop":
                _require_running(process)
        return ProcessInjection(
            name=entry_id, words=self.target, where=where, processes=tuple(found), start=tuple(map(endpoints.located, self.start)),
            **self.model_dump(include={"action", "signal", "keep_down", "restarts_within"}),
        )  # fmt: skip

    def _where(self, endpoints: Endpoints) -> Whereabouts:
        if self.port is None or self.port.isdecimal():
            port = None if self.port is None else int(self.port)
            return Whereabouts(pid_file=self.pid_file, name=self.name, port=port)
        host, number = endpoints.located(self.port).rsplit(":", 1)
        here = own_address(host)
        if here is None:
            raise FaultNotApplied(
                f"{self.port} is not an address of this machine, where alone processes can be killed or stopped;"
                " `addresses` of agent.yml says where a name is"
            )
        return Whereabouts(port=int(number), host=here)


def _require_ours(process: RunningProcess) -> None:
    """Refuse what would end the machine, the agent, or somebody else's work; raises FaultNotApplied."""
    if process.pid == 1:
        why = "is the first of this machine, on which all others depend"
    elif process.pid in ancestors(os.getpid()):
        why = "is alertdrill itself, or started it"
    elif process.uid != os.geteuid():
        why = f"belongs to {_user(process.uid)}, and alertdrill runs as {_user(os.geteuid())}"
    elif not process.program:
        why = "belongs to the kernel"
    else:
        return
    raise FaultNotApplied(f"{process.words} is left alone: it {why}")


def _require_running(process: RunningProcess) -> None:
    if process.state in {"T", "t"}:
        raise FaultNotApplied(
            f"{process.words} is stopped already, so that nothing would change, and to undo it would change what"
            " somebody else did; expected one that runs"
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _start(command: tuple[str, ...]) -> None:
    try:
        # Its own session: it is to outlive the agent.
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise FaultNotHealed(f"{command[0]} cannot be started: {error.strerror}") from error


async def _until(holds: Callable[[], Awaitable[bool]], seconds: float, error: type[Exception], text: str) -> None:
    if not await _comes_true(holds, seconds):
        raise error(text)


async def _comes_true(holds: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    async def problem() -> str:
        return "" if await holds() else "not yet"

    return not await poll(problem, seconds, _LOOK_EVERY_SECONDS)
