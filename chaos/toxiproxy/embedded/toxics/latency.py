"""Latency: every chunk is passed on later."""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Interrupted, Stream, milliseconds

_MAX_JITTER = 2**62 - 1


@dataclass
class LatencyToxic(Attributes):
    """A delay in ms from a chunk's arrival, spread uniformly by the jitter; the end of the stream is not delayed."""

    # Chunks are delayed in parallel, not one after the other.
    buffer: ClassVar[int] = 1024

    latency: int = 0
    jitter: int = 0

    async def pipe(self, stream: Stream) -> None:
        """Delay each chunk; an interruption sends it at once."""
        while (chunk := await stream.receive()) is not None:
            seconds = self._delay_seconds() - (monotonic() - chunk.received)
            try:
                await stream.wait(seconds)
            except Interrupted:
                await stream.send(chunk)
                raise
            # The next latency toxic counts from this time, so that delays add up.
            chunk.received += seconds
            await stream.send(chunk)
        stream.close()

    def problem(self) -> str:
        """Twice the jitter must fit 64 bits."""
        return "" if self.jitter <= _MAX_JITTER else f"jitter must be at most {_MAX_JITTER}"

    def _delay_seconds(self) -> float:
        spread = random.randrange(-self.jitter, self.jitter) if self.jitter > 0 else 0  # noqa: S311 - no secret
        return milliseconds(self.latency + spread)
