"""A process is killed, or stopped for a while.

kind: process
action: kill                      # or stop: it pauses, and continues at the end
port: payment-engine:8080         # or pid_file: /run/engine.pid, or name: engine
signal: KILL                      # or TERM
keep_down: true                   # killed again whenever it is restarted, until the fault ends
start: [/usr/bin/engine, --fast]  # if no supervisor restarts it
restarts_within: 90s
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shlex
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
from alertdrill.chaos.machine.own_programs import own_environment
from alertdrill.chaos.machine.processes import ProcessEnded, RunningProcess, ancestors
from alertdrill.chaos.machine.sockets import own_address
from alertdrill.chaos.machine.whereabouts import Whereabouts
from alertdrill.units.duration import Duration
from alertdrill.units.polling import poll

_LOOK_EVERY_SECONDS = 0.02
_CONTINUES_WITHIN_SECONDS = 2.0
# Also the time for a clean end after SIGTERM.
_ENDS_WITHIN_SECONDS = 10.0
# An undo fails after two minutes, not counting the time for the process to end.
_LONGEST_RESTART = timedelta(seconds=110)
_PLACE = re.compile(r"(?:[^:\s]+:)?(\d+)")


def _as_place(port: object) -> object:
    found = _PLACE.fullmatch(str(port)) if isinstance(port, int | str) and not isinstance(port, bool) else None
    if found is None or not 0 < int(found[1]) < 65536:
        msg = f"{port!r} is not a port, expected a number such as 8080, or host:port"
        raise ValueError(msg)
    return str(port)


class ProcessInjection(Injection):
    """The processes, the place where they are found again, and the command that restarts them."""

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
        """The target, in words."""
        return f"{self.words}: {', '.join(process.words for process in self.processes)}"

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return super().longest_undo + timedelta(seconds=_ENDS_WITHIN_SECONDS)

    @property
    def by_hand(self) -> str:
        """How the processes continue, or come back."""
        if self.action == "stop":
            return f"kill -CONT {' '.join(str(process.pid) for process in self.processes)}"
        return shlex.join(self.start) or f"start again what was {self.where.words}"

    async def inject(self) -> None:
        """Kill or stop the processes, and confirm it; raises FaultNotApplied."""
        try:
            if self.action == "stop":
                await self._send(SIGSTOP)
                await _until(
                    self._all_in("Tt"),
                    _CONTINUES_WITHIN_SECONDS,
                    FaultNotApplied,
                    f"{self.words}: it is still running, or has ended",
                )
                return
            await self._kill()
        except PermissionError as error:
            raise FaultNotApplied(f"{self.words}: no permission to signal it: {error.strerror}") from error
        self._ended_at = time.time()

    async def taken_back(self) -> str | None:
        """Return why the processes are not stopped, or not kept down, any more; a restart after a kill proves nothing."""
        if self.action == "stop":
            awake = [one for one in self.processes if (one.state or "") not in {"T", "t"}]
            return f"{awake[0].words} was continued, or has ended" if awake else ""
        return await holder.lost(self.name) if self.keep_down else None

    async def undo(self) -> None:
        """Continue the processes, or wait until they are back; raises FaultNotHealed."""
        if self.action == "stop":
            await self._continue()
            return
        await holder.release(self.name)
        if self.signal == "TERM":
            # Wait for the old process to end: while it drains it would be taken for the restarted one.
            await _comes_true(self._all_in(None), _ENDS_WITHIN_SECONDS)
        if self.keep_down:
            # The process that was killed last may still be visible for a moment.
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if self.start and not await self._is_back():
            await asyncio.to_thread(_start, self.start)
        within = self.restarts_within.total_seconds()
        await _until(
            self._is_back, within, FaultNotHealed, f"no process {self.where.words} is back within {within:g} s"
        )
        await self._record_restart()

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
                # With keep_down the holder may have killed it first.
                if not self.keep_down:
                    raise FaultNotApplied(f"{process.words} ended by itself before the fault") from error

    def _send_to_the_rest(self, number: Signals, error: type[Exception]) -> None:
        for process in self.processes:
            try:
                process.send(number)
            except ProcessEnded:
                continue
            except PermissionError as refused:
                raise error(f"no permission to signal {process.words}: {refused.strerror}") from refused

    async def _continue(self) -> None:
        if not self._was_tried:
            self._outcome = "; ".join(filter(None, map(_unlike_stopped, self.processes)))
            self._was_tried = True
        self._send_to_the_rest(SIGCONT, FaultNotHealed)
        await _until(
            self._none_stopped, _CONTINUES_WITHIN_SECONDS, FaultNotHealed, f"{self.words}: it is still stopped"
        )

    def _all_in(self, states: str | None) -> Callable[[], Awaitable[bool]]:
        async def holds() -> bool:
            found = [process.state for process in self.processes]
            if states is None:
                return all(state is None for state in found)
            return all(state is not None and state in states for state in found)

        return holds

    async def _none_stopped(self) -> bool:
        return not any(process.state == "T" for process in self.processes)

    async def _is_back(self) -> bool:
        found = await asyncio.to_thread(self.where.find)
        return len(found) >= len(self.processes) and await self.where.accepts()

    async def _record_restart(self) -> None:
        new = [one for one in await asyncio.to_thread(self.where.find) if one not in self.processes]
        if new and self._ended_at is not None:
            seconds = max(max(one.started_at for one in new) - self._ended_at, 0.0)
            self._outcome = f"started again {seconds:.1f} s after its end, as {', '.join(str(one.pid) for one in new)}"


class Process(Fault):
    """Kill or stop processes, found by pid file, exact name or port: at least one, and at most `count`."""

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
    def _has_one_target(self) -> Self:
        given = [key for key in ("pid_file", "name", "port") if getattr(self, key) is not None]
        if len(given) != 1:
            msg = f"has {' and '.join(given) or 'no target'}, expected one of pid_file, name and port"
            raise ValueError(msg)
        if self.action == "stop":
            for key in ("signal", "keep_down", "start", "restarts_within"):
                if key in self.model_fields_set:
                    msg = f"has {key}, which is for action kill: a stopped process continues at the end"
                    raise ValueError(msg)
        return self

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"{self._place} ({self.action})"

    @property
    def _place(self) -> str | None:
        return self.pid_file or self.name or self.port

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time: the process, whatever the action is."""
        return frozenset({f"process {endpoints.located(str(self._place))}"})

    def contradicts(self, other: Fault) -> str:
        """Return why another fault cannot be in force at the same time: a stopped process neither ends nor restarts."""
        same = isinstance(other, Process) and other._place == self._place  # noqa: SLF001 - of its own kind
        return "both are of one process" if same else ""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> ProcessInjection:
        """Find the processes; raises FaultNotApplied for none, for too many, and for processes that must not be touched."""
        where = self._where(endpoints)
        found = await asyncio.to_thread(where.find)
        if not found:
            hidden = where.is_served()
            hint = "another user's process listens there, which only root can see" if hidden else "is it running here?"
            raise FaultNotApplied(f"there is no process {where.words}: {hint}")
        if len(found) > self.count:
            some = ", ".join(one.words for one in found[:5])
            raise FaultNotApplied(
                f"there are {len(found)} processes {where.words}, expected at most {self.count}: {some}"
            )
        for process in found:
            _require_harmless(process)
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
                f"{self.port} is not an address of this machine, and processes of other machines cannot be killed or stopped;"
                " `addresses` in agent.yml maps names to addresses"
            )
        return Whereabouts(port=int(number), host=here)


def _unlike_stopped(process: RunningProcess) -> str:
    state = process.state
    if state is None:
        return f"{process.words} has ended, so there is nothing to continue"
    return "" if state in {"T", "t"} else f"{process.words} was not stopped"


def _require_harmless(process: RunningProcess) -> None:
    """Refuse processes that would take down the machine, the agent or other users' work; raises FaultNotApplied."""
    if process.pid == 1:
        why = "is the first process of this machine, and all others depend on it"
    elif process.pid in ancestors(os.getpid()):
        why = "is alertdrill itself, or a process that started it"
    elif process.uid != os.geteuid():
        why = f"belongs to {_user(process.uid)}, and alertdrill runs as {_user(os.geteuid())}"
    elif not process.program:
        why = "belongs to the kernel"
    else:
        return
    raise FaultNotApplied(f"{process.words} is never touched: it {why}")


def _require_running(process: RunningProcess) -> None:
    if process.state in {"T", "t"}:
        raise FaultNotApplied(
            f"{process.words} is stopped already: the fault would change nothing, and its undo would continue a"
            " process that it did not stop; expected a running process"
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _start(command: tuple[str, ...]) -> None:
    try:
        # In its own session it outlives the agent.
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=own_environment(),
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
