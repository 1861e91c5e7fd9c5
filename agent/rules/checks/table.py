"""The table of all checks on an alerting rule.

A check is a function that takes a rule with its context, and yields its results: mostly none.
To add one, write the function, add a row here, and add a test with a rule that it is about and one that it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.rules.checks import expression, notice, objective, series, timing
from alertdrill.agent.rules.remark import SEVERITIES, CheckedRule, CheckResult, Remark, Severity
from alertdrill.agent.rules.shape import Shape

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
"""Every check by its name, as reports and `--format json` print it."""


def remarks_on(checked: CheckedRule) -> tuple[Remark, ...]:
    """Run every check, and return the remarks, the worst first."""
    remarks = [
        Remark(result.severity, result.text, result.remedy, name)
        for name, check in CHECKS.items()
        for result in check(checked)
    ]
    return tuple(sorted(remarks, key=lambda remark: SEVERITIES.index(remark.severity)))


def unwatched(kpis: Iterable[Kpi], shapes: Iterable[Shape]) -> tuple[Kpi, ...]:
    """Return the promises that no rule watches: it would compare the same value, on the side that breaks the promise."""
    leaves = [leaf for shape in shapes for leaf in shape.leaves]
    return tuple(kpi for kpi in kpis if not any(objective.watches(leaf, kpi) for leaf in leaves))


def worst_severity(remarks: Iterable[Remark]) -> Severity | None:
    """Return the worst severity; None if there is no remark."""
    found = {remark.severity for remark in remarks}
    return next((severity for severity in SEVERITIES if severity in found), None)
