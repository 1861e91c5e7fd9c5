"""What a review is made of: a rule with all that is known around it, and the remarks upon it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.expression import Anatomy, anatomy
from alertdrill.agent.rules.prospect import Prospect
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.shape import Shape
from alertdrill.agent.rules.timing import Timing

Severity = Literal["problem", "weakness", "note"]
SEVERITIES: tuple[Severity, ...] = ("problem", "weakness", "note")
"""The worst first: it cannot work as meant; it works, but; worth knowing."""


@dataclass(frozen=True)
class CheckResult:
    """What a check says: what is so, in numbers, and what would mend it."""

    severity: Severity
    text: str
    remedy: str


@dataclass(frozen=True)
class Remark(CheckResult):
    """One remark upon a rule, under the name of its check."""

    name: str


@dataclass(frozen=True)
class RuleContext:
    """What is known beside a rule.

    `rules` are all rules that are looked at together. `alertmanager` is None where its configuration is not known.
    `labels` has the labels of the series behind expressions, where a server could be asked. An alert that is pending
    starts again when Prometheus does, unless its `for` is at least `grace_seconds` (--rules.alert.for-grace-period).
    """

    rules: tuple[RuleRecord, ...] = ()
    kpis: Kpis = field(default_factory=Kpis)
    alertmanager: str | None = None
    labels: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)
    grace_seconds: float = 600.0


@dataclass(frozen=True)
class CheckedRule:
    """A rule under review."""

    prospect: Prospect
    known: RuleContext
    ways: tuple[Route, ...] = ()

    @property
    def rule(self) -> RuleRecord:
        """The rule."""
        return self.prospect.rule

    @property
    def timing(self) -> Timing:
        """Its intervals and waits."""
        return self.prospect.timing

    @property
    def shape(self) -> Shape:
        """The kind of its expression."""
        return self.prospect.shape

    @cached_property
    def tree(self) -> Anatomy | None:
        """The parts of its expression; None when the parser cannot read it."""
        return anatomy(self.rule.expr)

    @property
    def ranges(self) -> tuple[float, ...]:
        """The seconds of its range selectors, the shortest first."""
        found = self.tree.selectors if self.tree else ()
        return tuple(sorted({one.range_seconds for one in found if one.range_seconds is not None}))
