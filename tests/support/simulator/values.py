"""The few types that all parts share: milliseconds, labels, vectors, stretches of time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

Millis: TypeAlias = int
"""An instant since the Unix epoch or a duration, in whole milliseconds: the resolution of Prometheus' own samples."""

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""A label set, sorted by name; a series has its metric's name as `__name__`."""

Vector: TypeAlias = dict[Labels, float]

NAME = "__name__"


@lru_cache(maxsize=65_536)
def labels_of(**pairs: str) -> Labels:
    """Return a label set."""
    return tuple(sorted(pairs.items()))


@lru_cache(maxsize=65_536)
def series_of(name: str, **pairs: str) -> Labels:
    """Return the label set of a series."""
    return tuple(sorted([(NAME, name), *pairs.items()]))


@lru_cache(maxsize=65_536)
def without(labels: Labels, *names: str) -> Labels:
    """Return labels without some of them."""
    return tuple(pair for pair in labels if pair[0] not in names)


@lru_cache(maxsize=65_536)
def merged(labels: Labels, others: Labels) -> Labels:
    """Return labels with others added; if both have one, the other's value wins."""
    return tuple(sorted((dict(labels) | dict(others)).items()))


@dataclass(frozen=True)
class Stretches:
    """The times at which something holds: half-open stretches `[begin, end)`, in order and without overlap."""

    of: tuple[tuple[Millis, Millis], ...] = ()

    def hold_at(self, at: Millis) -> bool:
        """Return whether an instant is in one of them."""
        return any(begin <= at < end for begin, end in self.of)

    def length_within(self, begin: Millis, end: Millis) -> Millis:
        """Return how much of `[begin, end)` they cover."""
        return sum(max(0, min(end, upto) - max(begin, since)) for since, upto in self.of)


NEVER = Stretches()
