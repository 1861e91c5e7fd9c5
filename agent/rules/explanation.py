"""The result of `alertdrill explain`: each rule with its windows and remarks, and promises that no rule watches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.checks.table import remarks_on, unwatched, worst_severity
from alertdrill.agent.rules.prospect import Prospect, prospect
from alertdrill.agent.rules.remark import CheckedRule, Remark, RuleContext
from alertdrill.agent.rules.routing import routes
from alertdrill.agent.rules.timing import Timing


class RoutesUnreadable(ValueError):
    """Alertmanager's configuration has no routes that can be read."""


@dataclass(frozen=True)
class LocatedRule:
    """A rule with its place, its durations, and the source of each of these numbers."""

    rule: RuleRecord
    timing: Timing
    place: str
    basis: tuple[str, ...]


@dataclass(frozen=True)
class ExplainedRule:
    """A rule with its prospect and the remarks on it."""

    located: LocatedRule
    prospect: Prospect
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class Explanation:
    """The explained rules; `unwatched` are promises that no rule watches."""

    rules: tuple[ExplainedRule, ...]
    unwatched: tuple[Kpi, ...]

    @property
    def has_problem(self) -> bool:
        """Return whether any rule cannot work as intended."""
        return worst_severity(remark for rule in self.rules for remark in rule.remarks) == "problem"


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
    found = prospect(located.rule, located.timing, ways)
    return ExplainedRule(located, found, remarks_on(CheckedRule(found, context, ways)))
