"""The named figures of a load: k6's names and kinds, read from whatever keeps the counts.

Names and their meaning: https://grafana.com/docs/k6/latest/using-k6/metrics/reference/
Ours beside them: `latency` counts from the instant a transaction was due, `lateness` tells how late it was sent,
`in_flight` how many were under way.
A tag narrows a metric to a part of its samples: `http_req_duration{name:payment}`, `checks{check:status is 201}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from hdrh.histogram import HdrHistogram


@dataclass(frozen=True)
class Counter:
    """How often something happened in a span of seconds."""

    count: int
    seconds: float

    @property
    def empty(self) -> bool:
        """Tell whether nothing was counted."""
        return self.count == 0

    @property
    def rate(self) -> float:
        """Tell how often a second it happened; 0 where no time has passed."""
        return self.count / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Rate:
    """In how many samples something was true; as in k6, the `passes` of `http_req_failed` are the failures."""

    passes: int
    total: int

    @property
    def empty(self) -> bool:
        """Tell whether there are no samples."""
        return self.total == 0

    @property
    def fails(self) -> int:
        """Count the samples in which it was not true."""
        return self.total - self.passes

    @property
    def rate(self) -> float:
        """Tell the share of the samples in which it was true, 0 to 1; 0 where there are none."""
        return self.passes / self.total if self.total else 0.0


@dataclass(frozen=True)
class Gauge:
    """The latest value, and the extremes that were seen."""

    value: float
    min: float
    max: float

    @property
    def empty(self) -> bool:
        """Tell that there is always a value."""
        return False


@dataclass(frozen=True)
class Trend:
    """How samples of time were distributed; every figure in seconds, 0 where there are no samples.

    The histogram holds microseconds and is only looked at, so that a trend may wrap one that still grows;
    `sum_seconds` is the exact sum of its samples.
    """

    histogram: HdrHistogram
    sum_seconds: float

    @property
    def count(self) -> int:
        """Count the samples."""
        return int(self.histogram.get_total_count())

    @property
    def empty(self) -> bool:
        """Tell whether there are no samples."""
        return self.count == 0

    @property
    def avg(self) -> float:
        """Tell the mean."""
        return self.sum_seconds / self.count if self.count else 0.0

    @property
    def min(self) -> float:
        """Tell the smallest sample, to the microsecond."""
        return float(self.histogram.min_value) / 1e6 if self.count else 0.0

    @property
    def med(self) -> float:
        """Tell the median."""
        return self.percentile(50)

    @property
    def max(self) -> float:
        """Tell the largest sample, to the microsecond."""
        return float(self.histogram.max_value) / 1e6 if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Tell the smallest sample that at least `percent` (0 to 100) of all samples do not exceed.

        That is the nearest rank, exact within the histogram's digits; k6 interpolates between two samples.
        """
        if self.empty:
            return 0.0
        rank = max(1, math.ceil(Fraction(str(percent)) * self.count / 100))
        # The histogram rounds to the nearest rank, which may be one too low: name the rank itself.
        microseconds = self.histogram.get_value_at_percentile(100 * rank / self.count)
        return min(max(float(microseconds) / 1e6, self.min), self.max)


Measure = Counter | Rate | Gauge | Trend
Measures = Mapping[str, Measure]
"""Figures by metric, with its tag where it has one: `http_reqs`, `http_req_duration{name:payment}`."""


@dataclass(frozen=True)
class Metric:
    """What is known of a metric: its kind, and the tag by which its samples may be narrowed."""

    kind: type[Measure]
    tag: str | None = None


METRICS = {
    "checks": Metric(Rate, "check"),
    "dropped_iterations": Metric(Counter),
    "http_req_duration": Metric(Trend, "name"),
    "http_req_failed": Metric(Rate, "name"),
    "http_reqs": Metric(Counter, "name"),
    "in_flight": Metric(Gauge),
    "iteration_duration": Metric(Trend),
    "iterations": Metric(Counter),
    "lateness": Metric(Trend),
    "latency": Metric(Trend),
}


def tagged(name: str, tag: str, value: str) -> str:
    """Spell the key of a metric narrowed by a tag: `checks{check:status is 201}`."""
    return f"{name}{{{tag}:{value}}}"


def split(key: str) -> tuple[str, str | None]:
    """Split a key into its metric and the value of its tag, None where it has no tag."""
    name, brace, selector = key.partition("{")
    return name, selector.removesuffix("}").partition(":")[2] if brace else None


def blank(key: str) -> Measure:
    """Make the measure of a key of which there are no samples."""
    kind = METRICS[split(key)[0]].kind
    if kind is Trend:
        return Trend(HdrHistogram(1, 2, 1), 0.0)
    if kind is Gauge:
        return Gauge(0.0, 0.0, 0.0)
    return Rate(0, 0) if kind is Rate else Counter(0, 0.0)
