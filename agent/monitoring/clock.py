"""A server's clock against ours, by Cristian's method: it was read at some instant between our two readings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# The server tells whole milliseconds, cut off.
_RESOLUTION_SECONDS = 0.001


@dataclass(frozen=True)
class ClockReading:
    """The server's clock, and ours before and after it was asked; Unix seconds."""

    before: float
    server: float
    after: float

    def offset(self) -> ClockOffset:
        """Tell the offset: that from the middle of our two readings, give or take half of what lies between."""
        server = self.server + _RESOLUTION_SECONDS / 2
        half = (self.after - self.before + _RESOLUTION_SECONDS) / 2
        return ClockOffset(server - (self.before + self.after) / 2, half)


@dataclass(frozen=True)
class ClockOffset:
    """How far the server's clock is ahead of ours (negative: behind), give or take the uncertainty."""

    offset_seconds: float
    uncertainty_seconds: float


def best(readings: Iterable[ClockReading]) -> ClockOffset:
    """Choose the offset of least uncertainty; raises ValueError without readings."""
    return min((reading.offset() for reading in readings), key=lambda offset: offset.uncertainty_seconds)
