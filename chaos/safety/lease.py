"""The owner's side of the watchdog: starts it before anything is broken, and sends it ten heartbeats a second."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.machine.own_programs import own_environment, python_module
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import BEAT_SECONDS, LAPSED, READY, WATCHING, short_of_time
from alertdrill.units.processor_time import Counters, Strain, counters, strain
from alertdrill.units.waiting import set_within

_ENDS_WITHIN_SECONDS = 0.5
# After an older look the figures since that look are kept.
_FRESH_SECONDS = 0.5


@dataclass(frozen=True)
class WatchdogTimes:
    """How long a watchdog may take to be ready, and to look again, on a machine that has time for it and one that has not.

    It looks ten times a second, and says so every second.
    """

    ready_seconds: float = 15.0
    ready_if_short_seconds: float = 90.0
    look_seconds: float = 5.0
    look_if_short_seconds: float = 30.0


@asynccontextmanager
async def leased(
    ledger: Ledger,
    lost: Callable[[str], None],
    faults: Iterable[Fault],
    patience: WatchdogTimes = WatchdogTimes(),
    read: Callable[[int], Counters] = counters,
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a watchdog for the length of the block, which undoes this process's faults when this process cannot.

    It is ready when the block begins, and has loaded all that undoes `faults`; it loads what undoes another fault when it
    finds one. `lost` is called with the reason when the watchdog undid a fault, or when the watchdog is gone: then a fault
    is no longer in force, or no longer safe. `read` reads the processor time of the watchdog. Raises FaultNotApplied when
    it does not start.
    """
    dog = _start(ledger, faults)
    lease = _Lease(dog, lost, patience, read)
    beating = asyncio.ensure_future(lease.keep())
    try:
        await lease.begin()
        yield dog
    finally:
        beating.cancel()
        await lease.end()


class _Lease:
    """The two pipes to a watchdog."""

    def __init__(
        self,
        dog: subprocess.Popen[bytes],
        lost: Callable[[str], None],
        patience: WatchdogTimes,
        read: Callable[[int], Counters],
    ) -> None:
        assert dog.stdin is not None  # noqa: S101 - it was started with pipes
        assert dog.stdout is not None  # noqa: S101
        self._dog, self._report_lost = dog, lost
        self._patience, self._read_counters = patience, read
        self._input, self._output = dog.stdin, dog.stdout
        self._rest = b""
        self._ready = asyncio.Event()
        self._looked_at = asyncio.get_running_loop().time()
        self._looked_with = read(dog.pid)
        self._is_lost = False
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)

    async def begin(self) -> None:
        """Wait until the watchdog is ready; raises FaultNotApplied."""
        asyncio.get_running_loop().add_reader(self._output.fileno(), self._read)
        patience, why = self._patience, ""
        if not await set_within(self._ready, patience.ready_seconds) and (found := self._strain).is_short:
            more = patience.ready_if_short_seconds - patience.ready_seconds
            if not await set_within(self._ready, more):
                why = f" within {patience.ready_if_short_seconds:g} s, because {short_of_time(found)}"
        if self._is_lost or not self._ready.is_set():
            self._is_lost = True
            raise FaultNotApplied(f"the watchdog does not start{why}, so nothing is broken")

    @property
    def _strain(self) -> Strain:
        """How short of time the machine and the watchdog were since it looked last."""
        return strain(self._looked_with, self._read_counters(self._dog.pid))

    async def keep(self) -> None:
        """Send heartbeats, and check that the watchdog looks."""
        clock = asyncio.get_running_loop().time
        while self._beat():
            before = clock()
            await asyncio.sleep(BEAT_SECONDS)
            # When this process itself was held up, lines may wait to be read.
            self._looked_at += max(clock() - before - BEAT_SECONDS, 0.0)
            if self._ready.is_set() and (reason := self._does_not_look(clock() - self._looked_at)):
                self._lose(reason)

    def _does_not_look(self, seconds: float) -> str:
        """Return why the watchdog counts as lost that has not looked for some seconds; empty if it does not."""
        if seconds <= self._patience.look_seconds:
            return ""
        found = self._strain
        if not found.is_short:
            return f"the watchdog hangs: it did not look for {seconds:.1f} s, and this machine had the time for it"
        if seconds <= self._patience.look_if_short_seconds:
            return ""
        return f"the watchdog did not look for {seconds:.1f} s, because {short_of_time(found)}"

    def _note_look(self, seconds_ago: float) -> None:
        now = asyncio.get_running_loop().time()
        self._looked_at = max(now - seconds_ago, self._looked_at)
        if seconds_ago < _FRESH_SECONDS:
            self._looked_with = self._read_counters(self._dog.pid)

    def _beat(self) -> bool:
        try:
            with contextlib.suppress(BlockingIOError):
                os.write(self._input.fileno(), b".")
        except BrokenPipeError:
            self._lose("the watchdog ended")
            return False
        return True

    async def end(self) -> None:
        """Hand over the remaining faults: the closed pipe means that this process injects nothing more."""
        asyncio.get_running_loop().remove_reader(self._output.fileno())
        self._input.close()
        until = asyncio.get_running_loop().time() + _ENDS_WITHIN_SECONDS
        # A watchdog that has faults left to undo goes on alone.
        while self._dog.poll() is None and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.01)
        self._output.close()

    def _read(self) -> None:
        chunk = os.read(self._output.fileno(), 65536)
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._output.fileno())
            self._lose("the watchdog ended")
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in map(bytes.decode, lines):
            if line == READY:
                self._note_look(0.0)
                self._ready.set()
            elif line.startswith(WATCHING):
                self._note_look(float(line.removeprefix(WATCHING)))
            elif line.startswith(LAPSED):
                self._lose(line.removeprefix(LAPSED))

    def _lose(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._ready.set()
            self._report_lost(reason)


def _start(ledger: Ledger, faults: Iterable[Fault]) -> subprocess.Popen[bytes]:
    kinds = sorted({fault.kind for fault in faults})
    owner = json.dumps(asdict(Owner.this_process()))
    directory = str(ledger.directory.absolute())
    command = python_module("alertdrill.chaos.safety.watchdog", directory, ledger.drill, owner, *kinds)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=own_environment(),
            # Ctrl-C and the end of the terminal must not reach it.
            start_new_session=True,
        )
    except OSError as error:
        raise FaultNotApplied(f"the watchdog cannot be started, so nothing is broken: {error}") from error
