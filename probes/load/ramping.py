"""Arrivals at a rate that rises and falls in stages, like k6's ramping-arrival-rate.

Within a stage the rate is a straight line, so N (see `arrivals.py`) is a parabola, and a due time is the root
of a quadratic equation.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from alertdrill.probes.load.arrivals import as_written, settled, up_to


@dataclass(frozen=True)
class Stage:
    """A straight line from the rate before it to `target_rate`; a stage of 0 seconds is a jump."""

    duration_seconds: float
    target_rate: float


@dataclass(frozen=True)
class RampingArrivals:
    """Arrivals at a rate (not negative) that follows the stages in straight lines; they end with the last stage."""

    start_rate: float
    stages: tuple[Stage, ...]

    @cached_property
    def total(self) -> int:
        """The area under all stages, rounded up."""
        return math.ceil(self._pieces[-1].end_area) if self._pieces else 0

    @cached_property
    def duration_seconds(self) -> float:
        """The sum of all stages."""
        return self._pieces[-1].end_seconds if self._pieces else 0.0

    def due_seconds(self, index: int) -> float:
        """Return when a transaction is due; infinity for one beyond the last."""
        return self.seconds_at(index) if index < self.total else math.inf

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """Return the due times of a range of transactions, without those beyond the last."""
        seconds_at = self.seconds_at
        return [seconds_at(index) for index in range(first, up_to(last, self.total), step)]

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due up to and including an instant."""
        return settled(self.due_seconds, int(self.area_by(elapsed_seconds)) + 1, elapsed_seconds)

    def rate_at(self, elapsed_seconds: float) -> float:
        """Return the rate at an instant, at a jump the new one; 0 before the start and from the end on."""
        if not 0 <= elapsed_seconds < self.duration_seconds:
            return 0.0
        return self._pieces[bisect_right(self._piece_seconds, elapsed_seconds) - 1].rate_at(elapsed_seconds)

    def area_by(self, elapsed_seconds: float) -> float:
        """Compute N, the area under the rate from the start to an instant."""
        if not self._pieces or elapsed_seconds <= 0:
            return 0.0
        return self._pieces[bisect_right(self._piece_seconds, elapsed_seconds) - 1].area_by(elapsed_seconds)

    def seconds_at(self, area: float) -> float:
        """Return the instant at which N reaches an area, which must be less than the area under all stages."""
        # Several pieces begin at the same area when the rate is 0 for a while. The last of them is the right one.
        return self._pieces[bisect_right(self._piece_areas, area) - 1].seconds_at(area)

    @cached_property
    def _pieces(self) -> tuple[_Piece, ...]:
        pieces, seconds, area, rate = [], Fraction(0), Fraction(0), as_written(self.start_rate)
        for stage in self.stages:
            duration, target = as_written(stage.duration_seconds), as_written(stage.target_rate)
            ends = seconds + duration, area + duration * (rate + target) / 2, target
            if duration:
                pieces.append(_Piece(*map(float, (seconds, area, rate, *ends))))
            seconds, area, rate = ends
        return tuple(pieces)

    @cached_property
    def _piece_seconds(self) -> list[float]:
        return [piece.start_seconds for piece in self._pieces]

    @cached_property
    def _piece_areas(self) -> list[float]:
        return [piece.start_area for piece in self._pieces]


@dataclass(frozen=True)
class _Piece:
    """The line of one stage, and N where it starts and ends."""

    start_seconds: float
    start_area: float
    start_rate: float
    end_seconds: float
    end_area: float
    end_rate: float

    @cached_property
    def _slope(self) -> float:
        return (self.end_rate - self.start_rate) / (self.end_seconds - self.start_seconds)

    def rate_at(self, seconds: float) -> float:
        return self.start_rate + self._slope * (seconds - self.start_seconds)

    def area_by(self, seconds: float) -> float:
        gone = min(seconds, self.end_seconds) - self.start_seconds
        return self.start_area + gone * (self.start_rate + self._slope * gone / 2)

    def seconds_at(self, area: float) -> float:
        # Computed from the nearer end: from the farther one, the end of a ramp down to 0 would lose digits.
        gone, left = area - self.start_area, self.end_area - area
        if gone <= left:
            return self.start_seconds + _seconds_under(gone, self.start_rate, self._slope)
        return self.end_seconds - _seconds_under(left, self.end_rate, -self._slope)


def _seconds_under(area: float, rate: float, slope: float) -> float:
    """Return the seconds in which a rate that changes by `slope` each second covers an area.

    This is the root of slope/2 · s² + rate · s = area. This form neither subtracts two nearly equal numbers nor
    divides by the slope: W. H. Press and others, Numerical Recipes, section 5.6.
    """
    return 2 * area / (rate + math.sqrt(rate * rate + 2 * slope * area)) if area > 0 else 0.0
