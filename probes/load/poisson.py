"""Arrivals at random, like those of many independent clients: a Poisson process, from a seed.

A Poisson process of any rate can be made from one of rate 1: each instant goes through the inverse of N, the
area under the rate (E. Cinlar, Introduction to Stochastic Processes, section 4.7). The arrivals of the process
of rate 1 are numbered in blocks. The instant of an arrival is computed without the arrivals before it, because
of two facts (L. Devroye, Non-Uniform Random Variate Generation, chapters V and IX):

- n arrivals take Gamma(n) seconds. Of the seconds that 2k arrivals take, the first k take a share of Beta(k, k).
  So a run of blocks is halved until one block is left. Each draw depends only on the seed and the run.
- Between the last arrival of one block and the last of the next, the other arrivals are uniformly distributed.

So nothing is added up from the start, and only a few blocks are kept. The same seed gives the same arrivals
under the same version of Python. Another version may draw other gamma and beta variates.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random

from alertdrill.probes.load.arrivals import ConstantArrivals, settled, up_to
from alertdrill.probes.load.ramping import RampingArrivals

_BLOCK = 1024


@dataclass(frozen=True)
class PoissonArrivals:
    """Random arrivals with the mean rate of the arrivals `of`; their number is random too."""

    of: ConstantArrivals | RampingArrivals
    seed: int

    @cached_property
    def total(self) -> int | None:
        """The number of arrivals within the duration; None when the load has no end."""
        ends_at = self.of.duration_seconds
        return None if ends_at is None else _count_by(self.seed, self.of.area_by(ends_at))

    @property
    def duration_seconds(self) -> float | None:
        """The duration of the arrivals `of`."""
        return self.of.duration_seconds

    def due_seconds(self, index: int) -> float:
        """Return when a transaction is due; infinity for one beyond the last."""
        if self.total is not None and index >= self.total:
            return math.inf
        return self.of.seconds_at(_unit_seconds(self.seed, index))

    def due_times(self, first: int, last: int, step: int = 1) -> list[float]:
        """Return the due times of a range of transactions, without those beyond the last."""
        indexes = range(first, up_to(last, self.total), step)
        return [self.of.seconds_at(_unit_seconds(self.seed, index)) for index in indexes]

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due up to and including an instant."""
        return settled(self.due_seconds, _count_by(self.seed, self.of.area_by(elapsed_seconds)), elapsed_seconds)

    def rate_at(self, elapsed_seconds: float) -> float:
        """Return the mean rate at an instant."""
        return self.of.rate_at(elapsed_seconds)


def _unit_seconds(seed: int, index: int) -> float:
    """Return the instant of an arrival in the Poisson process of rate 1."""
    block, place = divmod(index, _BLOCK)
    return _block(seed, block)[place]


def _count_by(seed: int, seconds: float) -> int:
    """Count the arrivals of the Poisson process of rate 1 up to an instant."""
    block, _, _ = _find(seed, lambda _, start: start <= seconds)
    return block * _BLOCK + bisect_right(_block(seed, block), seconds)


@lru_cache(maxsize=8)
def _block(seed: int, block: int) -> list[float]:
    """Return the instants of one block of the Poisson process of rate 1; the next block starts at the last of them."""
    _, start, end = _find(seed, lambda first, _: first <= block)
    draw = _random(seed, "block", block).random
    return [start + (end - start) * share for share in sorted(draw() for _ in range(_BLOCK - 1))] + [end]


def _find(seed: int, reaches: Callable[[int, float], bool]) -> tuple[int, float, float]:
    """Return number, start and end of the last block for which `reaches(number, start)` is true."""
    first, last, start, end = 0, 1, 0.0, _gamma(seed, 0, 1)
    while reaches(last, end):
        first, last, start, end = last, 2 * last, end, end + _gamma(seed, last, 2 * last)
    while last - first > 1:
        middle, at = (first + last) // 2, start + (end - start) * _first_half(seed, first, last)
        if reaches(middle, at):
            first, start = middle, at
        else:
            last, end = middle, at
    return first, start, end


@lru_cache(maxsize=128)
def _gamma(seed: int, first: int, last: int) -> float:
    """Draw the seconds that a run of blocks takes."""
    return _random(seed, "run", first, last).gammavariate((last - first) * _BLOCK, 1.0)


@lru_cache(maxsize=128)
def _first_half(seed: int, first: int, last: int) -> float:
    """Draw the share of a run's seconds that its first half takes."""
    half = (last - first) // 2 * _BLOCK
    return _random(seed, "half", first, last).betavariate(half, half)


def _random(seed: int, *name: object) -> Random:
    return Random(f"{seed} {name}")  # noqa: S311 - a repeatable schedule, not a secret
