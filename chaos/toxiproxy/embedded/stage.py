"""One toxic at work on one direction of one connection.

A toxic is interrupted when its settings change, or when a toxic beside it is added or removed. Then `receive` and `wait`
raise Interrupted, and the toxic passes on the data that it holds, so that no byte is lost. `send` then stops waiting for
room: a change must not wait for a client that does not read.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from alertdrill.chaos.toxiproxy.embedded.channel import Channel, Chunk, Output
from alertdrill.chaos.toxiproxy.embedded.toxic import Toxic
from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Interrupted
from alertdrill.chaos.toxiproxy.embedded.toxics.noop import NoopToxic

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

_MILLISECOND = 0.001
# Small pieces cost as much as large ones, and everybody else waits meanwhile.
_MOST_CHUNKS_OF_A_TURN = 32


class ToxicStage:
    """A toxic between its inlet and its outlet; `passed_bytes` outlives an interruption."""

    def __init__(self, toxic: Toxic, outlet: Output, spawn: Spawn) -> None:
        self.toxic = toxic
        self.inlet = Channel(toxic.attributes.buffer)
        self.outlet = outlet
        self.closed = False
        self.passed_bytes = 0
        self._sent_in_this_turn = 0
        self._spawn = spawn
        self._interrupting = False
        self._woken: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the toxic; if the draw for its toxicity spares this connection, pass everything on."""
        self._interrupting = False
        self._task = self._spawn(self._run())

    async def interrupt(self) -> bool:
        """Stop the toxic; return whether the stream goes on."""
        if self.closed or self._task is None:
            return False
        self._interrupting = True
        if self._woken is not None:
            _finish(self._woken)
        await asyncio.wait([self._task])
        return not self.closed

    def abandon(self) -> None:
        """Stop for good, unless it has ended by itself."""
        if not self.closed and self._task is not None:
            self._task.cancel()
        self.closed = True

    async def receive(self, within: float = math.inf) -> Chunk | None:
        """Wait for the next chunk; None is the end. Raises Interrupted, and TimeoutError after `within` seconds."""
        deadline = monotonic() + within
        while True:
            if self._interrupting:
                raise Interrupted
            chunk = self.inlet.take()
            if chunk is not None or self.inlet.closed:
                return chunk
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            await self._park(left, until_input=True)

    async def wait(self, seconds: float) -> None:
        """Wait at least this long; raises Interrupted."""
        deadline = monotonic() + seconds
        # The loop's timer counts milliseconds, so shorter times are waited for by turns of the loop.
        short = seconds < _MILLISECOND
        while (left := deadline - monotonic()) > 0:
            if short:
                await asyncio.sleep(0)
            else:
                await self._park(left)
            if self._interrupting:
                raise Interrupted

    async def send(self, chunk: Chunk) -> None:
        """Pass a chunk on, and wait until there is room for another; after many, until the next turn of the loop."""
        self.outlet.offer(chunk)
        self._sent_in_this_turn += 1
        if self._sent_in_this_turn >= _MOST_CHUNKS_OF_A_TURN:
            self._sent_in_this_turn = 0
            await asyncio.sleep(0)
        while self.outlet.full and not self._interrupting:
            await self._park(until_room=True)

    def close(self) -> None:
        """End the stream here; data that still arrives is lost."""
        if not self.closed:
            self.closed = True
            self.inlet.abandon()
            self.outlet.close()

    async def _run(self) -> None:
        spared = random.random() >= self.toxic.toxicity  # noqa: S311 - no secret
        with suppress(Interrupted):
            await (NoopToxic() if spared else self.toxic.attributes).pipe(self)

    async def _park(self, seconds: float = math.inf, *, until_input: bool = False, until_room: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self._sent_in_this_turn = 0
        self._woken = woken = loop.create_future()
        timer = None
        if seconds < math.inf:
            timer = loop.call_later(math.ceil(seconds / _MILLISECOND) * _MILLISECOND, _finish, woken)
        if until_input:
            self.inlet.on_input = lambda: _finish(woken)
        outlet = self.outlet
        if until_room:
            outlet.on_room = lambda: _finish(woken)
        try:
            await woken
        finally:
            self._woken = self.inlet.on_input = None
            if until_room:
                outlet.on_room = None
            if timer is not None:
                timer.cancel()


def _finish(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
