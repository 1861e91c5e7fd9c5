"""The result of `alertdrill explain`: each rule with its windows and remarks, and promises that no rule watches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.checks.table import (
    ABOUT_NOTICES,
    CHECKS,
    WITHOUT_WINDOW,
    remarks_on,
    unwatched,
    worst_severity,
)
from alertdrill.agent.rules.prospect import Prospect, prospect, without_window
from alertdrill.agent.rules.recorded import Unfolded
from alertdrill.agent.rules.remark import SEVERITIES, CheckedRule, Remark, RuleContext, Severity
from alertdrill.agent.rules.routing import routes
from alertdrill.agent.rules.timing import Timing


class RoutesUnreadable(ValueError):
    """Alertmanager's configuration has no routes that can be read."""


@dataclass(frozen=True)
class LocatedRule:
    """A rule with its place, its durations, and the source of each of these numbers.

    `unfolded` is its expression with those of recording rules in the place of their names; `limit` is the most alerts
    of its group, 0 if there is none; `copies` is how often it stands in its group.
    """

    rule: RuleRecord
    timing: Timing
    place: str
    basis: tuple[str, ...]
    unfolded: Unfolded | None = None
    limit: int = 0
    copies: int = 1


@dataclass(frozen=True)
class ExplainedRule:
    """A rule with its prospect and the remarks on it."""

    located: LocatedRule
    prospect: Prospect
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class CheckFinding:
    """All remarks of one check and one severity, each with the rules that it is about."""

    name: str
    severity: Severity
    told: tuple[tuple[Remark, tuple[LocatedRule, ...]], ...]

    @property
    def rules(self) -> tuple[LocatedRule, ...]:
        """All rules with it."""
        return tuple({(rule.place, rule.rule.alert): rule for _, rules in self.told for rule in rules}.values())


@dataclass(frozen=True)
class Explanation:
    """The explained rules; `unwatched` are promises that no rule watches, `passed_over` lines on what was not read."""

    rules: tuple[ExplainedRule, ...]
    unwatched: tuple[Kpi, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[CheckFinding, ...]:
        """The remarks on all rules by their checks: the worst first, then in the order of the table of checks."""
        ranks = {(severity, name): at for at, (severity, name) in enumerate(product(SEVERITIES, CHECKS))}
        found: dict[tuple[Severity, str], dict[str, tuple[Remark, list[LocatedRule]]]] = {}
        for rule in self.rules:
            for one in rule.remarks:
                told = found.setdefault((one.severity, one.name), {})
                told.setdefault(one.text, (one, []))[1].append(rule.located)
        return tuple(
            CheckFinding(name, severity, _most_first(found[severity, name].values()))
            for severity, name in sorted(found, key=lambda kind: ranks[kind])
        )

    @property
    def has_problem(self) -> bool:
        """Return whether any rule cannot work as intended."""
        return worst_severity(remark for rule in self.rules for remark in rule.remarks) == "problem"


def _most_first(
    told: Iterable[tuple[Remark, list[LocatedRule]]],
) -> tuple[tuple[Remark, tuple[LocatedRule, ...]], ...]:
    return tuple((one, tuple(rules)) for one, rules in sorted(told, key=lambda pair: -len(pair[1])))


def explain(located: Iterable[LocatedRule], context: RuleContext, *, has_all: bool = True) -> Explanation:
    """Explain rules one after another; unless they are all rules of the context, no promise is called unwatched.

    Raises RoutesUnreadable.
    """
    rules = tuple(_explain(one, context) for one in located)
    shapes = (one.prospect.shape for one in rules)
    return Explanation(rules, unwatched(context.kpis.promises, shapes) if has_all else ())


def _explain(located: LocatedRule, context: RuleContext) -> ExplainedRule:
    # The text of a template is not known here, but the alert will have the label.
    labels = located.rule.labels | {"alertname": located.rule.alert}
    try:
        ways = tuple(routes(context.alertmanager, labels)) if context.alertmanager is not None else ()
    except ValueError as error:
        raise RoutesUnreadable(str(error)) from error
    found = prospect(located.rule, located.timing, ways, located.unfolded)
    remarks = remarks_on(CheckedRule(found, context, ways, located.limit, located.copies))
    broken = next((one for one in remarks if one.severity == "problem" and one.name in WITHOUT_WINDOW), None)
    if broken is not None:
        # Windows, and what else would be said of them, would be of a rule that is not there.
        found = without_window(found, broken.text)
        remarks = tuple(one for one in remarks if one.severity == "problem" or one.name in ABOUT_NOTICES)
    return ExplainedRule(located, found, remarks)
