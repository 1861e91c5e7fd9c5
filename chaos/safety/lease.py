"""The owner's side of the watchdog: it is started before anything is broken, and told ten times a second that we live."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import BEAT_SECONDS, LAPSED, READY

_READY_WITHIN_SECONDS = 15.0
_ENDS_WITHIN_SECONDS = 0.5
# It says something every second.
_SILENT_AFTER_SECONDS = 5.0


@asynccontextmanager
async def leased(ledger: Ledger, lost: Callable[[str], None]) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Have a watchdog for the length of the block, which undoes this process's faults when it no longer can.

    `lost` is called, with the reason, when the watchdog took a fault back, or when it is not there any more: what
    is in force then is no more what it seems, or not safe. Raises FaultNotApplied when it cannot be started.
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
    """Both pipes to a watchdog."""

    def __init__(self, dog: subprocess.Popen[bytes], lost: Callable[[str], None]) -> None:
        assert dog.stdin is not None  # noqa: S101 - it was started with pipes
        assert dog.stdout is not None  # noqa: S101
        self._dog, self._tell_lost = dog, lost
        self._input, self._output = dog.stdin, dog.stdout
        self._words = b""
        self._ready = asyncio.Event()
        self._heard_at = 0.0
        self._is_lost = False
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)

    async def begin(self) -> None:
        """Wait until it watches; raises FaultNotApplied."""
        asyncio.get_running_loop().add_reader(self._output.fileno(), self._hear)
        try:
            await asyncio.wait_for(self._ready.wait(), _READY_WITHIN_SECONDS)
        except TimeoutError:
            self._is_lost = True
        if self._is_lost:
            raise FaultNotApplied("the watchdog does not start, so nothing is broken")

    async def keep(self) -> None:
        """Beat, and listen whether the watchdog does."""
        clock = asyncio.get_running_loop().time
        self._heard_at = clock() + _READY_WITHIN_SECONDS
        while self._beat():
            before = clock()
            await asyncio.sleep(BEAT_SECONDS)
            if clock() - before > _SILENT_AFTER_SECONDS:
                self._heard_at = clock()  # we stood still ourselves: its words may still wait to be read
            elif clock() - self._heard_at > _SILENT_AFTER_SECONDS:
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
        """Hand over what is left: the end of the pipe tells that we inject nothing more."""
        asyncio.get_running_loop().remove_reader(self._output.fileno())
        self._input.close()
        until = asyncio.get_running_loop().time() + _ENDS_WITHIN_SECONDS
        # One that has something left to undo goes on without us.
        while self._dog.poll() is None and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.01)
        self._output.close()

    def _hear(self) -> None:
        said = os.read(self._output.fileno(), 65536)
        if not said:
            asyncio.get_running_loop().remove_reader(self._output.fileno())
            self._lose("the watchdog ended")
            return
        self._heard_at = asyncio.get_running_loop().time()
        *lines, self._words = (self._words + said).split(b"\n")
        for line in map(bytes.decode, lines):
            if line == READY:
                self._ready.set()
            elif line.startswith(LAPSED):
                self._lose(line.removeprefix(LAPSED))

    def _lose(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._ready.set()
            self._tell_lost(reason)


def _start(ledger: Ledger) -> subprocess.Popen[bytes]:
    owner = json.dumps(asdict(Owner.this_process()))
    # Without -P, a folder `chaos` where the agent was started would be taken for ours.
    command = [
        sys.executable,
        "-P",
        "-m",
        "alertdrill.chaos.safety.watchdog",
        str(ledger.directory.absolute()),
        ledger.drill,
        owner,
    ]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # The terminal's Ctrl-C and its end are for the agent alone.
            start_new_session=True,
        )
    except OSError as error:
        raise FaultNotApplied(f"the watchdog cannot be started, so nothing is broken: {error}") from error
