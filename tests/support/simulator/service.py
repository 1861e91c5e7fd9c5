"""The series of a service at any instant: its signals are functions of time alone, and the fault is a step in them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Literal, Protocol

from simulator.values import NEVER, Millis, Stretches, Vector, series_of

Answer = Literal["answers", "refuses", "hangs"]


class Signal(Protocol):
    """One signal that a service exposes."""

    def read(self, at: Millis, since: Millis, fault: Stretches) -> Vector:
        """Return its series at an instant, for a process that has run since another instant."""
        ...


@dataclass(frozen=True)
class Gauge:
    """A gauge with one value in normal times and one in the fault; None means that it is not exposed then."""

    name: str
    before: float | None
    during: float | None

    def read(self, at: Millis, since: Millis, fault: Stretches) -> Vector:  # noqa: ARG002 (a gauge forgets the past)
        value = self.during if fault.hold_at(at) else self.before
        return {} if value is None else {series_of(self.name): value}


@dataclass(frozen=True)
class Counters:
    """Requests at a constant rate, `requests_total`, and the share of them that fails, `errors_total{reason="timeout"}`.

    If `appears`, the series of the errors is exposed from the first error on, not with zero from the start.
    """

    per_second: float
    share_before: float
    share_during: float
    appears: bool = False

    def read(self, at: Millis, since: Millis, fault: Stretches) -> Vector:
        requests = self.per_second * (at - since) / 1000
        faulty = fault.length_within(since, at)
        failed = self.share_before * (at - since - faulty) + self.share_during * faulty
        errors = floor(self.per_second * failed / 1000)
        shown: Vector = {series_of("requests_total"): floor(requests)}
        if errors or not self.appears:
            shown[series_of("errors_total", reason="timeout")] = errors
        return shown


@dataclass(frozen=True)
class Latencies:
    """A classic histogram, `latency_seconds_bucket`: most requests take `fast`, a share takes `slow`.

    A request counts when it ends; whether it is slow depends on the instant at which it began.
    """

    per_second: float
    share_before: float
    share_during: float
    fast: Millis
    slow: Millis
    bounds_seconds: tuple[float, ...]

    def read(self, at: Millis, since: Millis, fault: Stretches) -> Vector:
        fast_began = max(at - self.fast, since)
        slow_began = max(at - self.slow, since)
        fast = floor(self.per_second * (fast_began - since - self._slow_ones(since, fast_began, fault)) / 1000)
        slow = floor(self.per_second * self._slow_ones(since, slow_began, fault) / 1000)
        shown: Vector = {}
        for bound in (*self.bounds_seconds, float("inf")):
            within = (fast if self.fast <= bound * 1000 else 0) + (slow if self.slow <= bound * 1000 else 0)
            shown[series_of("latency_seconds_bucket", le=spell_bound(bound))] = within
        return shown

    def _slow_ones(self, begin: Millis, end: Millis, fault: Stretches) -> float:
        faulty = fault.length_within(begin, end)
        return self.share_before * (end - begin - faulty) + self.share_during * faulty


def spell_bound(bound: float) -> str:
    """Format a bucket's bound like the client libraries."""
    return "+Inf" if bound == float("inf") else repr(bound)


@dataclass(frozen=True)
class Service:
    """One process that is scraped.

    `fault` is when its fault is in force; `outage` is how a scrape fails during it, if it fails.
    `starts` are the instants at which the process started, in order: counters begin at zero at each.
    """

    signals: tuple[Signal, ...]
    starts: tuple[Millis, ...]
    fault: Stretches = NEVER
    outage: Answer = "answers"

    def answer(self, at: Millis) -> Answer:
        """Return the result of a scrape."""
        return self.outage if self.fault.hold_at(at) else "answers"

    def read(self, at: Millis) -> Vector:
        """Return everything that is exposed at an instant."""
        since = max((start for start in self.starts if start <= at), default=at)
        shown: Vector = {}
        for signal in self.signals:
            shown |= signal.read(at, since, self.fault)
        return shown
