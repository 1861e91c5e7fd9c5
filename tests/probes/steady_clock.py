"""A clock for loads in real time that does not see the stalls of a busy machine."""

from __future__ import annotations

import time

_LONGEST_STEP_SECONDS = 0.5


class SteadyClock:
    """Counts the seconds between two looks, but never more than half a second of them.

    A load drops what it would send more than a second late. By this clock it is never so late, however long the machine
    kept it from running.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._looked_at = time.monotonic()

    def __call__(self) -> float:
        before, self._looked_at = self._looked_at, time.monotonic()
        self._now += min(self._looked_at - before, _LONGEST_STEP_SECONDS)
        return self._now
