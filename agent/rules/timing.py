"""The arithmetic of alert timing: S scrape interval, E evaluation interval, F `for`, W range, x bad part of the range.

A fault that shows in the series at t0 makes the condition true at the first evaluation that sees enough of it. If x
seconds of a range must be bad, that is between t0 + x - S and t0 + x + S + E. An alert pending at A fires at
A + ceil(F/E)·E. A fault of length D leaves the condition true for D + W - 2x.
Source: rules/alerting.go, promql/functions.go (extrapolatedRate) and scrape/scrape.go of Prometheus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from alertdrill.agent.recording.records import RuleRecord

DEFAULT_INTERVAL_SECONDS = 60.0
"""Prometheus' default for scrapes and for evaluations."""
LOOKBACK_SECONDS = 300.0
"""How old a sample may be to count as the newest one, by default (--query.lookback-delta)."""


def in_whole_evaluations(duration_seconds: float, interval_seconds: float) -> float:
    """Round a duration up to whole evaluations: a rule engine acts only at evaluations."""
    return math.ceil(round(duration_seconds / interval_seconds, 6)) * interval_seconds


@dataclass(frozen=True)
class Timing:
    """The durations that decide how long an alert takes, in seconds.

    `scrape_lag` is the time from a sample's instant until it can be queried, `record_lag` the time that recording rules
    may add. `is_guess` says that the scrape interval is a default, not read from anywhere.
    """

    scrape: float
    interval: float
    for_: float = 0.0
    keep_firing_for: float = 0.0
    query_offset: float = 0.0
    scrape_lag: float = 0.0
    record_lag: float = 0.0
    lookback: float = LOOKBACK_SECONDS
    is_guess: bool = False

    @property
    def lag(self) -> float:
        """The most from an instant until an evaluation sees it: a scrape, an evaluation, and what comes between them."""
        return self.scrape + self.interval + self.scrape_lag + self.record_lag

    @property
    def wait(self) -> float:
        """From pending to firing."""
        return in_whole_evaluations(self.for_, self.interval)

    @property
    def keep(self) -> float:
        """From the first evaluation without the condition to the end."""
        return in_whole_evaluations(self.keep_firing_for, self.interval)

    def condition_span(self, bad_seconds: float) -> tuple[float, float]:
        """Return the soonest and the latest time from the fault until an evaluation sees the condition hold."""
        # Extrapolation to the edges of a range can be a scrape ahead of the samples.
        soonest = max(bad_seconds - self.scrape, 0.0)
        latest = bad_seconds + self.lag
        return soonest + self.query_offset, latest + self.query_offset

    def firing_span(self, bad_seconds: float) -> tuple[float, float]:
        """Return the soonest and the latest time from the fault until the alert fires."""
        soonest, latest = self.condition_span(bad_seconds)
        return soonest + self.wait, latest + self.wait

    def resolution_span(self, lingers_seconds: float) -> tuple[float, float]:
        """Return the soonest and the latest time from the end of the fault until the alert is over.

        `lingers_seconds` is how long the range still holds enough of the fault: W - x.
        """
        soonest = max(lingers_seconds - self.scrape, 0.0)
        latest = lingers_seconds + self.lag
        return soonest + self.query_offset + self.keep, latest + self.query_offset + self.keep

    def shortest_fault(self, bad_seconds: float, lingers_seconds: float) -> tuple[float, float]:
        """Return how long a fault must last to fire the alert: at best, and for certain.

        It must last x seconds, and the condition, which holds for D - x + lingers, must last for all of `for`.
        """
        needed = max(bad_seconds, bad_seconds - lingers_seconds + self.wait)
        return max(needed - self.scrape, 0.0), needed + self.lag


def timing_of(rule: RuleRecord, scrape: float, query_offset: float = 0.0, scrape_lag: float = 0.0) -> Timing:
    """Combine the durations of a rule with those around it, all in seconds."""
    return Timing(
        scrape=scrape,
        interval=rule.interval_seconds,
        for_=rule.for_seconds,
        keep_firing_for=rule.keep_firing_for_seconds,
        query_offset=query_offset,
        scrape_lag=scrape_lag,
    )
