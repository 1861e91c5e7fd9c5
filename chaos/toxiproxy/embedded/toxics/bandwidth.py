"""Bandwidth: a limit of bytes in a second."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from alertdrill.chaos.toxiproxy.embedded.channel import Chunk
from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Interrupted, Stream

_SLICE_SECONDS = 0.1
_BYTES_PER_KB = 1000
_MAX_RATE = (2**63 - 1) // 100


@dataclass
class BandwidthToxic(Attributes):
    """A rate in KB/s (1 KB = 1000 B); with 0 nothing passes until the toxic is removed."""

    rate: int = 0

    async def pipe(self, stream: Stream) -> None:
        """Send each chunk when the rate allows it, a large one in slices of 100 ms."""
        owed_seconds = 0.0
        while (chunk := await stream.receive()) is not None:
            try:
                owed_seconds += self._seconds(chunk)
                owed_seconds = await self._send_slices(stream, chunk, owed_seconds)
                started = monotonic()
                await stream.wait(owed_seconds)
            except Interrupted:
                await stream.send(chunk)
                raise
            # If the timer was late, the next chunk waits less.
            owed_seconds -= monotonic() - started
            await stream.send(chunk)
        stream.close()

    async def _send_slices(self, stream: Stream, chunk: Chunk, owed_seconds: float) -> float:
        """Send all slices but the last, which stays in the chunk; return the seconds that it must still wait."""
        while len(chunk.data) > (size := self.rate * _BYTES_PER_KB // 10):
            await stream.wait(_SLICE_SECONDS)
            head, chunk.data = chunk.data[:size], chunk.data[size:]
            owed_seconds -= _SLICE_SECONDS
            await stream.send(Chunk(head, chunk.received))
        return owed_seconds

    def _seconds(self, chunk: Chunk) -> float:
        return len(chunk.data) / (self.rate * _BYTES_PER_KB) if self.rate > 0 else 0.0

    def problem(self) -> str:
        """Slices must have a size that fits 64 bits."""
        return "" if 0 <= self.rate <= _MAX_RATE else f"rate must be between 0 and {_MAX_RATE}"
