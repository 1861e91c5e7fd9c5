"""When each transaction is due: pure arithmetic, no clock, so there is no drift to add up.

With N(t) the area under the rate from the start to t, transaction n (from 0) is due at the instant at which
N passes n. So the first is due at once, constant arrivals are due at n / rate, nothing is due while the rate
is 0, and as many are due in all as N reaches, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Protocol


class Arrivals(Protocol):
    """The due times of transactions 0, 1, 2 … in seconds from the start, never falling."""

    @property
    def total(self) -> int | None:
        """How many transactions there are; None: without end."""
        ...

    @property
    def duration_seconds(self) -> float | None:
        """The instant after which nothing more is due; None: never."""
        ...

    def due_seconds(self, index: int) -> float:
        """Tell when a transaction is due; infinity for one beyond the last."""
        ...

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """List `due_seconds` of `range(first, last, step)` more cheaply, without what is beyond the last."""
        ...

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due at an instant, that one included."""
        ...

    def rate_at(self, elapsed_seconds: float) -> float:
        """Tell the target rate, in transactions a second, at an instant; 0 when nothing more is due."""
        ...


@dataclass(frozen=True)
class ConstantArrivals:
    """Arrivals at a constant rate, `rate` a second, from second 0 on; without a duration there is no end."""

    rate: float
    duration_seconds: float | None = None

    @cached_property
    def total(self) -> int | None:
        """The area under the rate, rounded up."""
        if self.duration_seconds is None:
            return None
        return math.ceil(as_written(self.rate) * as_written(self.duration_seconds))

    def due_seconds(self, index: int) -> float:
        """Tell when a transaction is due; infinity for one beyond the last."""
        return index / self.rate if self.total is None or index < self.total else math.inf

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """List the due times of a range of transactions, without what is beyond the last."""
        rate = self.rate
        return [index / rate for index in range(first, up_to(last, self.total), step)]

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due at an instant, that one included."""
        return settled(self.due_seconds, int(self.area_by(elapsed_seconds)) + 1, elapsed_seconds)

    def rate_at(self, elapsed_seconds: float) -> float:
        """Tell the rate at an instant: 0 before the start and from the end on."""
        ends_at = math.inf if self.duration_seconds is None else self.duration_seconds
        return self.rate if 0 <= elapsed_seconds < ends_at else 0.0

    def area_by(self, elapsed_seconds: float) -> float:
        """Compute N, the area under the rate from the start to an instant."""
        ends_at = math.inf if self.duration_seconds is None else self.duration_seconds
        return self.rate * min(max(elapsed_seconds, 0.0), ends_at)

    def seconds_at(self, area: float) -> float:
        """Tell the instant at which N passes an area; the inverse of `area_by`."""
        return area / self.rate


@dataclass(frozen=True)
class Shard:
    """Every `count`-th transaction of the whole, from `index` on: all `count` shards together are the whole."""

    of: Arrivals
    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"there is no shard {self.index} of {self.count}, expected 0 to {self.count - 1}")

    @cached_property
    def total(self) -> int | None:
        """The shard's part of the whole."""
        return None if self.of.total is None else self._part(self.of.total)

    @property
    def duration_seconds(self) -> float | None:
        """The whole's own duration."""
        return self.of.duration_seconds

    def due_seconds(self, index: int) -> float:
        """Tell when a transaction of the shard is due; infinity for one beyond the last."""
        return self.of.due_seconds(self._whole(index))

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """List the due times of a range of the shard's transactions, without what is beyond the last."""
        return self.of.due_times(self._whole(first), self._whole(last), step * self.count)

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the shard's transactions that are due at an instant, that one included."""
        return self._part(self.of.due_by(elapsed_seconds))

    def rate_at(self, elapsed_seconds: float) -> float:
        """Tell the shard's part of the rate at an instant."""
        return self.of.rate_at(elapsed_seconds) / self.count

    def _whole(self, index: int) -> int:
        return self.index + self.count * index

    def _part(self, total: int) -> int:
        return (total + self.count - 1 - self.index) // self.count


def settled(due_seconds: Callable[[int], float], count: int, elapsed_seconds: float) -> int:
    """Count what is due at an instant, from a count that may be a rounding off.

    N and its inverse may round to different sides of a due time; the due time decides.
    """
    while count > 0 and due_seconds(count - 1) > elapsed_seconds:
        count -= 1
    while due_seconds(count) <= elapsed_seconds:
        count += 1
    return count


def up_to(last: int, total: int | None) -> int:
    """Tell where a range of transactions ends that may go beyond the last one."""
    return last if total is None else min(last, total)


def as_written(number: float) -> Fraction:
    """Take a number for the decimal that it was written as.

    1.1 a second for 10 s are 11 transactions; of the floats themselves they would be 12.
    """
    return Fraction(str(number))
