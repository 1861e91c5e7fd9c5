"""Timeout: no data passes, and the connection is closed after a while."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes, Stream, milliseconds


@dataclass
class TimeoutToxic(Attributes):
    """Closes a connection `timeout` ms after the last data or after the toxic was added; with 0 never."""

    closes_when_removed: ClassVar[bool] = True

    timeout: int = 0

    async def pipe(self, stream: Stream) -> None:
        """Drop data; each chunk restarts the timer, as in the real server."""
        seconds = milliseconds(self.timeout)
        try:
            while await stream.receive(seconds if seconds > 0 else math.inf) is not None:
                pass
        except TimeoutError:
            pass
        stream.close()
