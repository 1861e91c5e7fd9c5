"""Noop: everything passes."""

from __future__ import annotations

from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Stream


class NoopToxic(Attributes):
    """No effect; the real server has it without documentation."""

    async def pipe(self, stream: Stream) -> None:
        """Pass everything on."""
        while (chunk := await stream.receive()) is not None:
            await stream.send(chunk)
        stream.close()
