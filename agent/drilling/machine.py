"""Watches how short of processor time this machine is, slice by slice: the kernel's counters, and the loop's own lag.

Two slices a second cost about a thousandth of a processor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alertdrill.agent.recording.records import StrainRecord
from alertdrill.units.processor_time import Counters, counters, strain

_TICK_SECONDS = 0.05
_SHORTEST_SLICE_SECONDS = 0.5
# So that the record of a week is as large as that of an hour and a half.
_MOST_SLICES = 10_000


class MachineWatch:
    """The slices of time so far, in `slices`; `wall` gives Unix seconds."""

    def __init__(self, wall: Callable[[], float], read: Callable[[], Counters], slice_seconds: float) -> None:
        self.slices: list[StrainRecord] = []
        self._wall = wall
        self._read = read
        self._slice_seconds = slice_seconds

    async def keep(self) -> None:
        """Watch until it is cancelled."""
        clock = asyncio.get_running_loop().time
        before, began_at, began, lag = self._read(), self._wall(), clock(), 0.0
        while True:
            due = clock() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            lag = max(lag, clock() - due)
            if clock() - began >= self._slice_seconds:
                after = self._read()
                self.slices.append(_record(before, after, began_at, lag))
                before, began_at, began, lag = after, self._wall(), clock(), 0.0


def _record(before: Counters, after: Counters, began_at: float, lag: float) -> StrainRecord:
    found = strain(before, after)
    shares = {name: getattr(found, name) for name in ("busy", "stolen", "contended", "throttled", "queued")}
    return StrainRecord(
        at=round(began_at, 3),
        seconds=round(found.seconds, 3),
        loop_lag_seconds=round(lag, 3),
        **{name: None if share is None else round(share, 3) for name, share in shares.items()},
    )


@asynccontextmanager
async def watching(
    wall: Callable[[], float], longest_seconds: float = 0.0, read: Callable[[], Counters] = counters
) -> AsyncIterator[MachineWatch]:
    """Watch the machine for the length of the block, which lasts at most `longest_seconds`."""
    watch = MachineWatch(wall, read, max(_SHORTEST_SLICE_SECONDS, longest_seconds / _MOST_SLICES))
    keeping = asyncio.ensure_future(watch.keep())
    try:
        yield watch
    finally:
        keeping.cancel()
