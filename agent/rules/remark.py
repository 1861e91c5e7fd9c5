"""The input and the output of the checks: a rule with its context, and the remarks on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.classify import classify, guarded_metrics
from alertdrill.agent.rules.expression import Anatomy, anatomy
from alertdrill.agent.rules.prospect import Prospect
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.shape import Shape
from alertdrill.agent.rules.timing import Timing

# Reading an expression takes a hundred times as long as looking for a word in it.
_NAMES_TARGETS = re.compile(r"\b(up|absent|absent_over_time)\b")
_WATCHING = {"up", "absent"}
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
    `labels` are those of the series behind each expression, if a server was asked. A pending alert starts again from 0
    when Prometheus restarts, unless its `for` is at least `grace_seconds` (--rules.alert.for-grace-period).
    """

    rules: tuple[RuleRecord, ...] = ()
    kpis: Kpis = field(default_factory=Kpis)
    alertmanager: str | None = None
    labels: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)
    grace_seconds: float = 600.0

    @cached_property
    def guarded(self) -> frozenset[str]:
        """The metrics that any rule looks for within absent()."""
        return frozenset(metric for rule in self.rules for metric in guarded_metrics(rule.expr))

    @cached_property
    def watches_targets(self) -> bool:
        """Whether any rule fires when a target is down or its series are missing."""
        return any(_NAMES_TARGETS.search(rule.expr) and classify(rule.expr).kind in _WATCHING for rule in self.rules)


@dataclass(frozen=True)
class CheckedRule:
    """The rule that the checks look at."""

    prospect: Prospect
    context: RuleContext
    routes: tuple[Route, ...] = ()

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
        """The seconds of its range selectors, the shortest first."""
        selectors = self.tree.selectors if self.tree else ()
        return tuple(sorted({one.range_seconds for one in selectors if one.range_seconds is not None}))
