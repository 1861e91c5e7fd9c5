"""When each transaction is due. This is pure arithmetic without a clock, so no drift can add up.

N(t) is the area under the rate from the start to t. Transaction n (counted from 0) is due when N reaches n.
So the first is due at once, constant arrivals are due at n / rate, and nothing is due while the rate is 0.
The number of transactions in all is the last value of N, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Protocol


class Arrivals(Protocol):
    """The due times of transactions 0, 1, 2 … in seconds from the start, in ascending order."""

    @property
    def total(self) -> int | None:
        """The number of transactions; None when the load has no end."""
        ...

    @property
    def duration_seconds(self) -> float | None:
        """The seconds after which nothing more is due; None when the load has no end."""
        ...

    def due_seconds(self, index: int) -> float:
        """Return when a transaction is due; infinity for one beyond the last."""
        ...

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """Return the due times of `range(first, last, step)`, without those beyond the last transaction."""
        ...

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due up to and including an instant."""
        ...

    def rate_at(self, elapsed_seconds: float) -> float:
        """Return the target rate at an instant, in transactions a second; 0 when nothing more is due."""
        ...


def ends_at(arrivals: Arrivals) -> float:
    """Return the instant from which on nothing is due; infinity when the arrivals have no end."""
    return math.inf if arrivals.duration_seconds is None else arrivals.duration_seconds


@dataclass(frozen=True)
class ConstantArrivals:
    """Arrivals at a constant rate of `rate` a second; without a duration they have no end."""

    rate: float
    duration_seconds: float | None = None

    @cached_property
    def total(self) -> int | None:
        """The area under the rate, rounded up."""
        if self.duration_seconds is None:
            return None
        return math.ceil(as_written(self.rate) * as_written(self.duration_seconds))

    def due_seconds(self, index: int) -> float:
        """Return when a transaction is due; infinity for one beyond the last."""
        return index / self.rate if self.total is None or index < self.total else math.inf

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """Return the due times of a range of transactions, without those beyond the last."""
        rate = self.rate
        return [index / rate for index in range(first, up_to(last, self.total), step)]

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due up to and including an instant."""
        return settled(self.due_seconds, int(self.area_by(elapsed_seconds)) + 1, elapsed_seconds)

    def rate_at(self, elapsed_seconds: float) -> float:
        """Return the rate at an instant: 0 before the start and from the end on."""
        return self.rate if 0 <= elapsed_seconds < ends_at(self) else 0.0

    def area_by(self, elapsed_seconds: float) -> float:
        """Compute N, the area under the rate from the start to an instant."""
        return self.rate * min(max(elapsed_seconds, 0.0), ends_at(self))

    def seconds_at(self, area: float) -> float:
        """Return the instant at which N reaches an area; the inverse of `area_by`."""
        return area / self.rate


@dataclass(frozen=True)
class Shard:
    """One worker's share of the arrivals `of`: every `count`-th transaction, from `index` on."""

    of: Arrivals
    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"there is no shard {self.index} of {self.count}, expected 0 to {self.count - 1}")

    @cached_property
    def total(self) -> int | None:
        """The number of transactions in this shard."""
        return None if self.of.total is None else self._part(self.of.total)

    @property
    def duration_seconds(self) -> float | None:
        """The duration of all arrivals."""
        return self.of.duration_seconds

    def due_seconds(self, index: int) -> float:
        """Return when a transaction of the shard is due; infinity for one beyond the last."""
        return self.of.due_seconds(self._index_of_all(index))

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """Return the due times of a range of the shard's transactions, without those beyond the last."""
        return self.of.due_times(self._index_of_all(first), self._index_of_all(last), step * self.count)

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the shard's transactions that are due up to and including an instant."""
        return self._part(self.of.due_by(elapsed_seconds))

    def rate_at(self, elapsed_seconds: float) -> float:
        """Return the shard's part of the rate at an instant."""
        return self.of.rate_at(elapsed_seconds) / self.count

    def _index_of_all(self, index: int) -> int:
        return self.index + self.count * index

    def _part(self, total: int) -> int:
        return (total + self.count - 1 - self.index) // self.count


@dataclass(frozen=True)
class Until:
    """The arrivals `of`, of which nothing is due at `duration_seconds` or later."""

    of: Arrivals
    duration_seconds: float

    @cached_property
    def total(self) -> int:
        """The number of transactions that are due before the end."""
        count = self.of.due_by(self.duration_seconds)
        while count > 0 and self.of.due_seconds(count - 1) >= self.duration_seconds:
            count -= 1
        return count

    def due_seconds(self, index: int) -> float:
        """Return when a transaction is due; infinity for one beyond the last."""
        return self.of.due_seconds(index) if index < self.total else math.inf

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """Return the due times of a range of transactions, without those beyond the last."""
        return self.of.due_times(first, up_to(last, self.total), step)

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due up to and including an instant."""
        return min(self.of.due_by(elapsed_seconds), self.total)

    def rate_at(self, elapsed_seconds: float) -> float:
        """Return the target rate at an instant; 0 from the end on."""
        return self.of.rate_at(elapsed_seconds) if elapsed_seconds < self.duration_seconds else 0.0


def settled(due_seconds: Callable[[int], float], count: int, elapsed_seconds: float) -> int:
    """Correct a count of due transactions that rounding may have made one too large or too small.

    N and its inverse may round to different sides of a due time. The due time decides.
    """
    while count > 0 and due_seconds(count - 1) > elapsed_seconds:
        count -= 1
    while due_seconds(count) <= elapsed_seconds:
        count += 1
    return count


def up_to(last: int, total: int | None) -> int:
    """Return the end of a range of transactions, cut off after the last one."""
    return last if total is None else min(last, total)


def as_written(number: float) -> Fraction:
    """Convert a float to the decimal fraction that it was written as.

    1.1 a second for 10 s are 11 transactions. Computed with floats and rounded up they would be 12.
    """
    return Fraction(str(number))
