"""The table of all checks on an alerting rule.

A check is a function that takes a rule with its context, and yields its results: mostly none.
To add one, write the function, add a row here and in docs/explain.md, and add a test with a rule that it is about and
one that it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.rules.checks import expression, notice, objective, proofs, series, timing
from alertdrill.agent.rules.remark import SEVERITIES, CheckedRule, CheckResult, Remark, Severity
from alertdrill.agent.rules.shape import Shape

CHECKS: dict[str, Callable[[CheckedRule], Iterable[CheckResult]]] = {
    "unreadable": expression.unreadable,
    "never_fires": proofs.never_fires,
    "always_fires": proofs.always_fires,
    "self_ratio": proofs.self_ratio,
    "value_in_label": proofs.value_in_label,
    "quantile_range": proofs.quantile_range,
    "scrape_beyond_lookback": proofs.scrape_beyond_lookback,
    "no_comparison": expression.no_comparison,
    "bool": expression.bool_comparison,
    "unpaired": expression.unpaired_sides,
    "sets_unpaired": proofs.sets_unpaired,
    "unanchored": proofs.unanchored,
    "literal_pattern": proofs.literal_pattern,
    "scalar_of_many": proofs.scalar_of_many,
    "absent_of_many": proofs.absent_of_many,
    "label_lost": proofs.label_lost,
    "mean_of_counter": proofs.mean_of_counter,
    "group_limit": proofs.group_limit,
    "repeated": proofs.repeated,
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

WITHOUT_WINDOW = {
    "never_fires",
    "always_fires",
    "self_ratio",
    "sets_unpaired",
    "value_in_label",
    "unanchored",
    "literal_pattern",
    "quantile_range",
}
"""The checks whose problem leaves no window: the rule fires never, or not because of the fault."""
ABOUT_NOTICES = {"no_route", "told_late", "no_runbook", "no_description"}
"""The checks of how an alert is told, which hold for a rule that cannot work as well."""


def remarks_on(checked: CheckedRule) -> tuple[Remark, ...]:
    """Run every check, and return the remarks, the worst first."""
    # Two parts of an expression may have the same weakness.
    remarks = dict.fromkeys(
        Remark(result.severity, result.text, result.remedy, name)
        for name, check in CHECKS.items()
        for result in check(checked)
    )
    return tuple(sorted(remarks, key=lambda remark: SEVERITIES.index(remark.severity)))


def unwatched(kpis: Iterable[Kpi], shapes: Iterable[Shape]) -> tuple[Kpi, ...]:
    """Return the promises that no rule watches: it would compare the same value, on the side that breaks the promise."""
    leaves = [leaf for shape in shapes for leaf in shape.leaves]
    return tuple(kpi for kpi in kpis if not any(objective.watches(leaf, kpi) for leaf in leaves))


def worst_severity(remarks: Iterable[Remark]) -> Severity | None:
    """Return the worst severity; None if there is no remark."""
    found = {remark.severity for remark in remarks}
    return next((severity for severity in SEVERITIES if severity in found), None)
