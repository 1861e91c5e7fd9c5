"""The named figures of a load, with k6's names and kinds.

Names and their meaning: https://grafana.com/docs/k6/latest/using-k6/metrics/reference/
`http_req_duration` begins when the request could be sent. `http_req_blocked` is the wait before that, of which
`http_req_connecting` and `http_req_tls_handshaking` opened a connection; each is 0 for a request that did not wait.
These are not in k6: `latency` counts from the instant at which a transaction was due, `lateness` is the time from
then to its send, and `in_flight` is the number of transactions in flight.
A tag selects a part of a metric's samples: `http_req_duration{name:payment}`, `checks{check:status is 201}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from hdrh.histogram import HdrHistogram


@dataclass(frozen=True)
class Counter:
    """How often something happened in a number of seconds."""

    count: int
    seconds: float

    @property
    def empty(self) -> bool:
        """Whether nothing was counted."""
        return self.count == 0

    @property
    def rate(self) -> float:
        """How often it happened in a second; 0 when no time has passed."""
        return self.count / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Rate:
    """In how many samples something was true; as in k6, `passes` of `http_req_failed` counts the failures."""

    passes: int
    total: int

    @property
    def empty(self) -> bool:
        """Whether there are no samples."""
        return self.total == 0

    @property
    def fails(self) -> int:
        """The number of samples in which it was false."""
        return self.total - self.passes

    @property
    def rate(self) -> float:
        """The share of samples in which it was true, 0 to 1; 0 when there are no samples."""
        return self.passes / self.total if self.total else 0.0


@dataclass(frozen=True)
class Gauge:
    """The latest value, and the smallest and largest of all."""

    value: float
    min: float
    max: float

    @property
    def empty(self) -> bool:
        """Always false: a gauge always has a value."""
        return False


@dataclass(frozen=True)
class Trend:
    """The distribution of durations; every figure is in seconds, and 0 when there are no samples.

    The histogram holds microseconds. It is only read, so it may be one that still grows. `sum_seconds` is the exact
    sum of its samples.
    """

    histogram: HdrHistogram
    sum_seconds: float

    @property
    def count(self) -> int:
        """The number of samples."""
        return int(self.histogram.get_total_count())

    @property
    def empty(self) -> bool:
        """Whether there are no samples."""
        return self.count == 0

    @property
    def avg(self) -> float:
        """The mean."""
        return self.sum_seconds / self.count if self.count else 0.0

    @property
    def min(self) -> float:
        """The smallest sample, to the microsecond."""
        return float(self.histogram.min_value) / 1e6 if self.count else 0.0

    @property
    def med(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def max(self) -> float:
        """The largest sample, to the microsecond."""
        return float(self.histogram.max_value) / 1e6 if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Return the smallest sample that at least `percent` (0 to 100) of all samples do not exceed.

        That is the nearest rank, as exact as the histogram's digits; k6 interpolates between two samples.
        """
        if self.empty:
            return 0.0
        rank = max(1, math.ceil(Fraction(str(percent)) * self.count / 100))
        # The histogram rounds a percentage to the nearest rank, which may be one too low, so it is given this rank's own.
        microseconds = self.histogram.get_value_at_percentile(100 * rank / self.count)
        return min(max(float(microseconds) / 1e6, self.min), self.max)


Measure = Counter | Rate | Gauge | Trend
Measures = Mapping[str, Measure]
"""Figures by the key of their metric, with or without a tag: `http_reqs`, `http_req_duration{name:payment}`."""


@dataclass(frozen=True)
class Metric:
    """A metric: its kind, and the tag by which its samples can be selected."""

    kind: type[Measure]
    tag: str | None = None


METRICS = {
    "checks": Metric(Rate, "check"),
    "dropped_iterations": Metric(Counter),
    "http_req_blocked": Metric(Trend),
    "http_req_connecting": Metric(Trend),
    "http_req_duration": Metric(Trend, "name"),
    "http_req_failed": Metric(Rate, "name"),
    "http_req_tls_handshaking": Metric(Trend),
    "http_reqs": Metric(Counter, "name"),
    "in_flight": Metric(Gauge),
    "iteration_duration": Metric(Trend),
    "iterations": Metric(Counter),
    "lateness": Metric(Trend),
    "latency": Metric(Trend),
}


def tagged(name: str, tag: str, value: str) -> str:
    """Return the key of a metric with a tag: `checks{check:status is 201}`."""
    return f"{name}{{{tag}:{value}}}"


def split(key: str) -> tuple[str, str | None]:
    """Split a key into its metric and the value of its tag, which is None for a key without a tag."""
    name, brace, selector = key.partition("{")
    return name, selector.removesuffix("}").partition(":")[2] if brace else None


def blank(key: str) -> Measure:
    """Return the measure for a key without samples."""
    kind = METRICS[split(key)[0]].kind
    if kind is Trend:
        return Trend(HdrHistogram(1, 2, 1), 0.0)
    if kind is Gauge:
        return Gauge(0.0, 0.0, 0.0)
    return Rate(0, 0) if kind is Rate else Counter(0, 0.0)
