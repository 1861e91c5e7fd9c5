"""The owner's side of the watchdog: starts it before anything is broken, and sends it ten heartbeats a second."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.machine.own_programs import own_environment, python_module
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import BEAT_SECONDS, LAPSED, READY

_READY_WITHIN_SECONDS = 15.0
_ENDS_WITHIN_SECONDS = 0.5
# The watchdog prints a line every second.
_SILENT_AFTER_SECONDS = 5.0


@asynccontextmanager
async def leased(ledger: Ledger, lost: Callable[[str], None]) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a watchdog for the length of the block, which undoes this process's faults when this process cannot.

    `lost` is called with the reason when the watchdog undid a fault, or when the watchdog is gone: then a fault is no
    longer in force, or no longer safe. Raises FaultNotApplied when it cannot be started.
    """
    dog = _start(ledger)
    lease = _Lease(dog, lost)
    beating = asyncio.ensure_future(lease.keep())
    try:
        await lease.begin()
        yield dog
    finally:
        beating.cancel()
        await lease.end()


class _Lease:
    """The two pipes to a watchdog."""

    def __init__(self, dog: subprocess.Popen[bytes], lost: Callable[[str], None]) -> None:
        assert dog.stdin is not None  # noqa: S101 - it was started with pipes
        assert dog.stdout is not None  # noqa: S101
        self._dog, self._report_lost = dog, lost
        self._input, self._output = dog.stdin, dog.stdout
        self._rest = b""
        self._ready = asyncio.Event()
        self._received_at = 0.0
        self._is_lost = False
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)

    async def begin(self) -> None:
        """Wait until the watchdog is ready; raises FaultNotApplied."""
        asyncio.get_running_loop().add_reader(self._output.fileno(), self._read)
        try:
            await asyncio.wait_for(self._ready.wait(), _READY_WITHIN_SECONDS)
        except TimeoutError:
            self._is_lost = True
        if self._is_lost:
            raise FaultNotApplied("the watchdog does not start, so nothing is broken")

    async def keep(self) -> None:
        """Send heartbeats, and check that the watchdog prints lines."""
        clock = asyncio.get_running_loop().time
        self._received_at = clock() + _READY_WITHIN_SECONDS
        while self._beat():
            before = clock()
            await asyncio.sleep(BEAT_SECONDS)
            if clock() - before > _SILENT_AFTER_SECONDS:
                self._received_at = clock()  # this process was stopped itself: lines may wait to be read
            elif clock() - self._received_at > _SILENT_AFTER_SECONDS:
                self._lose("the watchdog hangs")

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
        self._received_at = asyncio.get_running_loop().time()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in map(bytes.decode, lines):
            if line == READY:
                self._ready.set()
            elif line.startswith(LAPSED):
                self._lose(line.removeprefix(LAPSED))

    def _lose(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._ready.set()
            self._report_lost(reason)


def _start(ledger: Ledger) -> subprocess.Popen[bytes]:
    owner = json.dumps(asdict(Owner.this_process()))
    directory = str(ledger.directory.absolute())
    command = python_module("alertdrill.chaos.safety.watchdog", directory, ledger.drill, owner)
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
