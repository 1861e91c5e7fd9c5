"""What `alertdrill explain` tells: of each rule its window and the remarks upon it, and which promises none watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.checks.table import review, unwatched, worst
from alertdrill.agent.rules.prospect import Prospect, prospect
from alertdrill.agent.rules.remark import CheckedRule, Remark, RuleContext
from alertdrill.agent.rules.routing import routes
from alertdrill.agent.rules.timing import Timing


@dataclass(frozen=True)
class LocatedRule:
    """A rule as it was found: where it stands, its waits, and for each number where it comes from."""

    rule: RuleRecord
    timing: Timing
    place: str
    basis: tuple[str, ...]


@dataclass(frozen=True)
class Explained:
    """A rule with all that can be said of it."""

    given: LocatedRule
    prospect: Prospect
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class Explanation:
    """All rules that were asked for; `unwatched` are promises that none of all the rules watches."""

    rules: tuple[Explained, ...]
    unwatched: tuple[Kpi, ...]

    @property
    def has_problem(self) -> bool:
        """Tell whether any rule cannot work as meant."""
        return worst(remark for rule in self.rules for remark in rule.remarks) == "problem"

    def only(self, alert: str) -> Explanation:
        """Keep the rules of one alert, and what concerns them."""
        return Explanation(tuple(one for one in self.rules if one.given.rule.alert == alert), ())


def explain(given: Sequence[LocatedRule], known: RuleContext) -> Explanation:
    """Explain rules, each beside all others."""
    rules = tuple(one.rule for one in given)
    whole = replace(known, rules=rules)
    return Explanation(tuple(_explained(one, whole) for one in given), unwatched(known.kpis.promises, rules))


def _explained(given: LocatedRule, known: RuleContext) -> Explained:
    # What a template will say is not known here, but that there will be such a label is.
    labels = given.rule.labels | {"alertname": given.rule.alert}
    ways = tuple(routes(known.alertmanager, labels)) if known.alertmanager is not None else ()
    outlook = prospect(given.rule, given.timing, ways)
    return Explained(given, outlook, review(CheckedRule(outlook, known, ways)))
