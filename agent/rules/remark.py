"""The input and the output of the checks: a rule with its context, and the remarks on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.classify import guarded_metrics, guarding_targets
from alertdrill.agent.rules.expression import Anatomy, LabelMatcher, Selector, anatomy
from alertdrill.agent.rules.prospect import Prospect
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.shape import Shape
from alertdrill.agent.rules.timing import Timing
from alertdrill.units.regex import matches_whole

# Reading an expression takes a hundred times as long as looking for a word in it.
_NAMES_TARGETS = re.compile(r"\b(up|absent|absent_over_time)\b")
_NO_LETTER = re.compile(r"\W")
_PART = re.compile(r"_(bucket|sum|count|total)$")
_COUNTER = re.compile(r"_(total|sum|count|bucket)$")
GRACE_SECONDS = 600.0
"""The default of --rules.alert.for-grace-period."""
Severity = Literal["problem", "weakness", "note"]
SEVERITIES: tuple[Severity, ...] = ("problem", "weakness", "note")
"""The worst first: the rule cannot work as intended; it works, but has a weakness; worth knowing."""


@dataclass(frozen=True)
class CheckResult:
    """The result of a check: the fact, in numbers, and a remedy."""

    severity: Severity
    text: str
    remedy: str


@dataclass(frozen=True)
class Remark(CheckResult):
    """A remark on a rule: the result of a check, with the name of that check."""

    name: str


@dataclass(frozen=True)
class RuleContext:
    """The facts around a rule.

    `rules` are all rules that are explained together. `alertmanager` is its configuration, None if that is not known.
    `types` are the types of metrics (counter, gauge, histogram, summary) by their names, as far as they are known.
    `recorded` are the names of the recording rules that are at hand.
    `labels` are those of the series behind each expression, if a server was asked. A pending alert starts again from 0
    when Prometheus restarts, unless its `for` is at least `grace_seconds` (--rules.alert.for-grace-period).
    """

    rules: tuple[RuleRecord, ...] = ()
    kpis: Kpis = field(default_factory=Kpis)
    alertmanager: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
    labels: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)
    grace_seconds: float = GRACE_SECONDS

    @cached_property
    def guarded(self) -> frozenset[str]:
        """The metrics that any rule looks for within absent()."""
        return frozenset(metric for rule in self.rules for metric in guarded_metrics(rule.expr))

    @cached_property
    def target_guards(self) -> tuple[Selector, ...]:
        """The selectors of `up` with which any rule fires when a target is down."""
        # Reading an expression takes a hundred times as long as looking for a word in it.
        named = (rule.expr for rule in self.rules if _NAMES_TARGETS.search(rule.expr))
        return tuple(dict.fromkeys(selector for expr in named for selector in guarding_targets(expr)))

    def watches_target_of(self, selector: Selector) -> bool:
        """Return whether any rule fires when the target of some series is down."""
        return any(_covers(guard, selector) for guard in self.target_guards)

    def type_of(self, metric: str) -> str | None:
        """Return the type of a metric; a part of a histogram or a summary counts as a counter."""
        if metric in self.types:
            return self.types[metric]
        base = _PART.sub("", metric)
        if base == metric or base not in self.types:
            return None
        is_part = self.types[base] in {"histogram", "summary", "counter"}
        return "counter" if is_part else self.types[base]

    def is_counter(self, metric: str) -> bool:
        """Return whether a metric is a counter, by its type where that is known, else by its name."""
        known = self.type_of(metric)
        return known == "counter" if known is not None else ":" not in metric and _COUNTER.search(metric) is not None


def _covers(guard: Selector, selector: Selector) -> bool:
    """Return whether the targets of a guard are those of a selector: certainly, or by the name of their job."""
    equal = {one.label: one.value for one in selector.matchers if one.op == "="}
    jobs = [one.value for one in guard.matchers if one.label == "job" and one.op == "="]
    if jobs and "job" not in equal and selector.metric.startswith(_NO_LETTER.sub("_", jobs[0])):
        equal["job"] = jobs[0]
    return all(_holds(one, equal) or one in selector.matchers for one in guard.matchers)


def _holds(matcher: LabelMatcher, labels: Mapping[str, str]) -> bool:
    if matcher.op == "!=" or (matcher.op == "=~" and matcher.value in {".+", ".*"}):
        return labels.get(matcher.label) != matcher.value
    if matcher.label not in labels:
        # Only a few targets are left out.
        return matcher.op == "!~"
    try:
        is_match = (
            matches_whole(matcher.value, labels[matcher.label])
            if "~" in matcher.op
            else (matcher.value == labels[matcher.label])
        )
    except ValueError:
        return False
    return is_match == (matcher.op in {"=", "=~"})


@dataclass(frozen=True)
class CheckedRule:
    """The rule that the checks look at.

    `limit` is the most alerts of its group, 0 if there is none; `copies` is how often the rule stands in its group.
    """

    prospect: Prospect
    context: RuleContext
    routes: tuple[Route, ...] = ()
    limit: int = 0
    copies: int = 1

    @property
    def rule(self) -> RuleRecord:
        """The rule."""
        return self.prospect.rule

    @property
    def timing(self) -> Timing:
        """Its durations."""
        return self.prospect.timing

    @property
    def shape(self) -> Shape:
        """The kind of its expression."""
        return self.prospect.shape

    @cached_property
    def tree(self) -> Anatomy | None:
        """The parts of its expression; None if the parser cannot read it."""
        return anatomy(self.rule.expr)

    @property
    def ranges(self) -> tuple[float, ...]:
        """The seconds of its range selectors and of those in its recording rules, the shortest first."""
        tree = anatomy(self.prospect.expr)
        selectors = tree.selectors if tree else ()
        return tuple(sorted({one.range_seconds for one in selectors if one.range_seconds is not None}))
