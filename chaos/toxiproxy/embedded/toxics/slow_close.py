"""Slow close: the end of the stream is passed on later."""

from __future__ import annotations

from dataclasses import dataclass

from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Stream, milliseconds


@dataclass
class SlowCloseToxic(Attributes):
    """A delay in ms between one side's close and the other's."""

    delay: int = 0

    async def pipe(self, stream: Stream) -> None:
        """Pass everything on, and delay the end."""
        while (chunk := await stream.receive()) is not None:
            await stream.send(chunk)
        await stream.wait(milliseconds(self.delay))
        stream.close()
