"""How often a rule's series are scraped and the rule is evaluated, with the source of each number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from alertdrill.agent.config.prometheus import PrometheusFile
from alertdrill.agent.config.rules import AnyGroup
from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.expression import LabelMatcher, anatomy
from alertdrill.agent.rules.timing import DEFAULT_INTERVAL_SECONDS
from alertdrill.units.duration import format_seconds
from alertdrill.units.regex import matches_whole

_TIMEOUT_SECONDS = 10.0
OPERATOR_SECONDS = 30.0
"""The default of scrapeInterval and evaluationInterval in the operator's resource Prometheus."""


@dataclass(frozen=True)
class Interval:
    """A number of seconds, and its source; `is_guess` says that it is a default that may not hold."""

    seconds: float
    source: str
    is_guess: bool = False


@dataclass(frozen=True)
class Intervals:
    """The sources of a rule's intervals, in this order: its own, the option, prometheus.yml, the default.

    The default is Prometheus', or the one that its operator writes for a PrometheusRule.
    """

    config: PrometheusFile | None
    path: Path | None
    scrape_option: timedelta | None
    evaluation_option: timedelta | None

    @staticmethod
    def _default(*, is_of_operator: bool) -> Interval:
        if is_of_operator:
            return Interval(OPERATOR_SECONDS, "the Prometheus operator's default, for there is no prometheus.yml", True)
        return Interval(DEFAULT_INTERVAL_SECONDS, "Prometheus' default, for there is no prometheus.yml", True)

    @cached_property
    def _scrape_seconds(self) -> dict[str, float]:
        return self.config.scrape_seconds() if self.config is not None else {}

    @cached_property
    def _timeout_seconds(self) -> dict[str, float]:
        return self.config.timeout_seconds() if self.config is not None else {}

    def scrape(self, expr: str, *, is_of_operator: bool = False) -> Interval:
        """Return how often the series of an expression are scraped."""
        jobs = self._scrape_seconds
        named = _jobs_of(expr, jobs)
        if named:
            seconds = max(jobs[job] for job in named)
            return Interval(seconds, f"job {', '.join(sorted(named))} of {self.path}")
        if self.scrape_option is not None:
            return Interval(self.scrape_option.total_seconds(), "as given")
        if self.config is None:
            return self._default(is_of_operator=is_of_operator)
        seconds = self.config.global_.scrape_interval.total_seconds()
        others = sorted({other for other in jobs.values() if other != seconds})
        also = f", and some job has {format_seconds(others[0])}" if others else ""
        return Interval(seconds, f"global of {self.path}, for no selector names a job of it{also}", bool(others))

    def timeout_seconds(self, expr: str, scrape_seconds: float) -> float:
        """Return how much later a target that hangs counts as down; 0 if the expression has no `up`."""
        if not any(leaf.kind == "up" for leaf in classify(expr).leaves):
            return 0.0
        waits = self._timeout_seconds
        named = _jobs_of(expr, waits)
        return max((waits[job] for job in named), default=min(_TIMEOUT_SECONDS, scrape_seconds))

    def evaluation(self, group: AnyGroup, *, is_of_operator: bool = False) -> Interval:
        """Return how often a group is evaluated."""
        # 0 is Prometheus' own interval, as if the group had none.
        if group.interval:
            return Interval(group.interval.total_seconds(), "the group's own")
        if self.evaluation_option is not None:
            return Interval(self.evaluation_option.total_seconds(), "as given")
        if self.config is None:
            return self._default(is_of_operator=is_of_operator)
        return Interval(self.config.global_.evaluation_interval.total_seconds(), f"global of {self.path}")

    def offset_seconds(self, group: AnyGroup) -> float:
        """Return how many seconds before its evaluation a group reads its data."""
        if group.query_offset is not None:
            return group.query_offset.total_seconds()
        return self.config.global_.rule_query_offset.total_seconds() if self.config is not None else 0.0


def _jobs_of(expr: str, jobs: Mapping[str, float]) -> set[str]:
    tree = anatomy(expr)
    matchers = [one for selector in tree.selectors for one in selector.matchers if one.label == "job"] if tree else []
    return {job for matcher in matchers for job in _matching(matcher, jobs)}


def _matching(matcher: LabelMatcher, jobs: Collection[str]) -> Collection[str]:
    if matcher.op == "=":
        return (matcher.value,) if matcher.value in jobs else ()
    try:
        return [job for job in jobs if matcher.op == "=~" and matches_whole(matcher.value, job)]
    except ValueError:
        return ()
