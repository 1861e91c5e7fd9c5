"""Limit data: a connection is closed after a number of bytes."""

from __future__ import annotations

from dataclasses import dataclass

from alertdrill.chaos.toxiproxy.embedded.channel import Chunk
from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Stream


@dataclass
class LimitDataToxic(Attributes):
    """Let so many bytes of each connection pass.

    Counting starts when the toxic is added; an update does not reset it.
    """

    bytes: int = 0

    async def pipe(self, stream: Stream) -> None:
        """Pass on what is left of the limit, then close."""
        while (chunk := await stream.receive()) is not None:
            data = chunk.data[: max(0, self.bytes - stream.passed_bytes)]
            if data:
                await stream.send(Chunk(data, chunk.received))
                stream.passed_bytes += len(data)
            if stream.passed_bytes >= self.bytes:
                break
        stream.close()
