"""Samples by series, and two views of them: that of a query when it ran, and that of a later query.

A sample's timestamp is the start of its scrape, but it can be seen only when it is written, at the end of the scrape:
an evaluation between the two misses it, and a later query for the same instant has it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import NamedTuple

from simulator.values import NAME, Labels, Millis


class Version(Enum):
    """The query semantics of a version: ranges and look-back are closed in 2.x and left-open from 3.0."""

    V2 = "2.42"
    V3 = "3.x"


class Sample(NamedTuple):
    """One sample; `value` is None for a stale marker, `written_at` is when it could first be seen."""

    at: Millis
    value: float | None
    written_at: Millis


@dataclass
class Series:
    """The samples of one series, in the order of their timestamps."""

    ats: list[Millis] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    written: list[Millis] = field(default_factory=list)

    def samples(self) -> tuple[Sample, ...]:
        """Return all of them."""
        return tuple(map(Sample, self.ats, self.values, self.written))

    def copy(self) -> Series:
        """Return a series that can grow by itself."""
        return Series(self.ats.copy(), self.values.copy(), self.written.copy())


class Storage:
    """Return all series."""

    def __init__(self) -> None:
        self.series: dict[Labels, Series] = {}
        self._by_name: dict[str, list[Labels]] = {}

    def write(self, labels: Labels, sample: Sample) -> None:
        """Append a sample; it is refused if it is not younger than its series' last, as Prometheus does."""
        series = self.series.get(labels)
        if series is None:
            series = self.series[labels] = Series()
            self._by_name.setdefault(dict(labels)[NAME], []).append(labels)
        if series.ats and sample.at <= series.ats[-1]:
            return
        series.ats.append(sample.at)
        series.values.append(sample.value)
        series.written.append(sample.written_at)

    def copy(self) -> Storage:
        """Return a storage that can grow by itself."""
        other = Storage()
        other.series = {labels: series.copy() for labels, series in self.series.items()}
        other._by_name = {name: found.copy() for name, found in self._by_name.items()}
        return other

    def select(self, name: str, matchers: Labels) -> Iterator[tuple[Labels, Series]]:
        """Return the series of a metric that have all these labels."""
        for labels in self._by_name.get(name, ()):
            if all(pair in labels for pair in matchers):
                yield labels, self.series[labels]


@dataclass(frozen=True)
class View:
    """The storage as a query sees it: the samples written by `now`, or all samples if that is None."""

    storage: Storage
    version: Version
    lookback: Millis
    now: Millis | None = None

    def instant(self, series: Series, at: Millis) -> float | None:
        """Return the youngest sample within the look-back; None if there is none or it is a stale marker."""
        index = bisect_right(series.ats, at) - 1
        while index >= 0 and not self._sees(series, index):
            index -= 1
        if index < 0:
            return None
        age = at - series.ats[index]
        reached = age <= self.lookback if self.version is Version.V2 else age < self.lookback
        return series.values[index] if reached else None

    def window(self, series: Series, at: Millis, length: Millis) -> list[tuple[Millis, float]]:
        """Return the samples of a range, without stale markers."""
        cut = bisect_left if self.version is Version.V2 else bisect_right
        there = slice(cut(series.ats, at - length), bisect_right(series.ats, at))
        points = zip(series.ats[there], series.values[there], series.written[there], strict=True)
        now = inf if self.now is None else self.now
        return [(taken_at, value) for taken_at, value, written_at in points if value is not None and written_at <= now]

    def _sees(self, series: Series, index: int) -> bool:
        return self.now is None or series.written[index] <= self.now
