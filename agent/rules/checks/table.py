"""What a reviewer would say of an alerting rule: each check a small function, all of them in one table.

A check takes the rule with what is known around it, and gives the remarks that it has: mostly none.
To add one, write the function, give it a row, and show in a test when it speaks and when it is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.checks import expression, notice, objective, series, timing
from alertdrill.agent.rules.remark import SEVERITIES, CheckedRule, CheckResult, Remark, Severity
from alertdrill.agent.rules.shape import classify

CHECKS: dict[str, Callable[[CheckedRule], Iterable[CheckResult]]] = {
    "unreadable": expression.unreadable,
    "no_comparison": expression.no_comparison,
    "bool": expression.bool_comparison,
    "unpaired": expression.unpaired_sides,
    "one_label_more": expression.one_label_more,
    "counter_without_rate": expression.counter_without_rate,
    "exact_equality": expression.exact_equality,
    "nothing_by_nothing": expression.nothing_by_nothing,
    "series_absent": series.series_absent,
    "first_increment": series.first_increment,
    "bucket_bound": series.bucket_bound,
    "for_short": timing.for_short,
    "range_short": timing.range_short,
    "for_lost_at_restart": timing.for_lost_at_restart,
    "blind_to_short": timing.blind_to_short,
    "lingers": timing.lingers,
    "recorded": timing.recorded,
    "objective": objective.looser_than_objective,
    "good_fires": objective.fires_on_what_is_promised,
    "no_route": notice.no_route,
    "told_late": notice.told_late,
    "no_runbook": notice.no_runbook,
    "no_description": notice.no_description,
}
"""Every check by its name, as reports and `--format json` spell it."""


def review(subject: CheckedRule) -> tuple[Remark, ...]:
    """Ask every check, and put the worst remarks first."""
    remarks = [
        Remark(said.severity, said.text, said.remedy, name) for name, check in CHECKS.items() for said in check(subject)
    ]
    return tuple(sorted(remarks, key=lambda remark: SEVERITIES.index(remark.severity)))


def unwatched(kpis: Iterable[Kpi], rules: Iterable[RuleRecord]) -> tuple[Kpi, ...]:
    """List the promises that no rule watches: none looks at the same value on the side where it is broken."""
    shapes = [leaf for rule in rules for leaf in classify(rule.expr).leaves]
    return tuple(kpi for kpi in kpis if not any(objective.watches(shape, kpi) for shape in shapes))


def worst(remarks: Iterable[Remark]) -> Severity | None:
    """Tell the worst severity; None where there is no remark."""
    found = {remark.severity for remark in remarks}
    return next((severity for severity in SEVERITIES if severity in found), None)
