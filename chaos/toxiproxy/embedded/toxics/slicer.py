"""Slicer: data is passed on in small pieces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from alertdrill.chaos.toxiproxy.embedded.channel import Chunk
from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Interrupted, Stream, seconds

_MICROSECONDS_PER_SECOND = 1_000_000


@dataclass
class SlicerToxic(Attributes):
    """Pieces of an average size in bytes, give or take a variation, each followed by a delay in µs."""

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    async def pipe(self, stream: Stream) -> None:
        """Send each chunk in pieces; an interruption sends the rest of it at once."""
        while (chunk := await stream.receive()) is not None:
            for start, end in list(self.pieces(0, len(chunk.data))):
                await stream.send(Chunk(chunk.data[start:end], chunk.received))
                try:
                    await stream.wait(seconds(self.delay, _MICROSECONDS_PER_SECOND))
                except Interrupted:
                    await stream.send(Chunk(chunk.data[end:], chunk.received))
                    raise
        stream.close()

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Halve a range, give or take the variation, until the pieces are small enough."""
        if end - start - self.average_size <= self.size_variation:
            yield start, end
            return
        middle = start + (end - start) // 2
        if self.size_variation > 0:
            middle += random.randrange(-self.size_variation, self.size_variation)  # noqa: S311 - no secret
        yield from self.pieces(start, middle)
        yield from self.pieces(middle, end)

    def problem(self) -> str:
        """Halving must end."""
        if self.average_size + self.size_variation < 1:
            return "average_size and size_variation must add up to 1 or more"
        if self.size_variation > self.average_size + 1:
            return "size_variation must be at most average_size + 1"
        return ""
