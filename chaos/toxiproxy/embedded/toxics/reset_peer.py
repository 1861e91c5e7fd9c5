"""Reset peer: connections end with a TCP reset."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Interrupted, Stream, milliseconds


@dataclass
class ResetPeerToxic(Attributes):
    """Ends a connection `timeout` ms after its first data, which is lost."""

    resets: ClassVar[bool] = True

    timeout: int = 0

    async def pipe(self, stream: Stream) -> None:
        """Wait for data or the end, then for the timeout, also when interrupted."""
        await stream.receive()
        await _sleep(stream, milliseconds(self.timeout))
        stream.close()


async def _sleep(stream: Stream, seconds: float) -> None:
    deadline = monotonic() + seconds
    try:
        await stream.wait(seconds)
    except Interrupted:
        await asyncio.sleep(max(0.0, deadline - monotonic()))
