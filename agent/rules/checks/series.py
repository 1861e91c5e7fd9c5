"""Checks of the series behind a rule: whether they exist, how they begin, and the bounds of their buckets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from alertdrill.agent.rules.classify import guarded_metrics
from alertdrill.agent.rules.expression import Selector
from alertdrill.agent.rules.remark import CheckedRule, CheckResult
from alertdrill.units.duration import format_seconds

_FAILURE = re.compile(r"err|fail|drop|reject|timeout|restart|abort|exception|oom")
_OUTCOME_LABELS = {"code", "status", "status_code", "result", "outcome", "reason", "error", "grpc_code", "exception"}


def series_absent(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a rule that stays silent when its series are missing, and that no other rule guards."""
    for leaf in checked.shape.leaves:
        if leaf.kind == "up" and leaf.bad is not None and not _guarded(checked, leaf.bad):
            yield CheckResult(
                "weakness",
                "a target that is removed from the configuration or the discovery has no `up`: 0 alerts,"
                f" and one that fired resolves within {format_seconds(_gone_seconds(checked))}",
                f"`{' '.join(checked.rule.expr.split())} or absent({leaf.bad})`",
            )
            return
    required = checked.tree.required if checked.tree else ()
    if any(_guarded(checked, selector) for selector in required) or not required:
        return
    if not any(map(checked.context.watches_target_of, required)):
        nothing = ", and a sum of nothing is nothing, not 0" if _sums_to_zero(checked) else ""
        yield CheckResult(
            "weakness",
            f"if {required[0].metric or required[0]} is missing, it is silent{nothing}: 0 of {len(checked.context.rules)}"
            " rules watch for that",
            f"a rule `absent({required[0]})`, or `up == 0` for its job",
        )


def _sums_to_zero(checked: CheckedRule) -> bool:
    """Return whether a sum is compared so that 0 would fire."""
    holds = {"==": lambda limit: limit == 0, "<": lambda limit: limit > 0, "<=": lambda limit: limit >= 0}
    leaves = (leaf for leaf in checked.shape.leaves if leaf.kind == "gauge" and leaf.comparison in holds)
    return "sum" in checked.rule.expr and any(holds[leaf.comparison](leaf.threshold) for leaf in leaves)


def _guarded(checked: CheckedRule, selector: Selector) -> bool:
    """Return whether any rule watches whether a selector's series are missing."""
    return selector.metric in checked.context.guarded or selector.metric in guarded_metrics(checked.rule.expr)


def _gone_seconds(checked: CheckedRule) -> float:
    """Prometheus ends the series of a removed target after about two intervals; then comes an evaluation."""
    return 2.1 * checked.timing.scrape + checked.timing.interval


def first_increment(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find counters whose first increment creates the series, so no rate sees that increment."""
    for leaf in checked.shape.leaves:
        selector = leaf.bad
        if leaf.kind not in {"rate", "ratio"} or selector is None or leaf.comparison not in {">", ">="}:
            continue
        if any(
            one.metric == selector.metric and one.offset_seconds
            for one in (checked.tree.selectors if checked.tree else ())
        ):
            # It looks for new series itself.
            continue
        by_label = any(m.label in _OUTCOME_LABELS and m.op in {"=", "=~"} for m in selector.matchers)
        if not by_label and not (leaf.threshold == 0 and _FAILURE.search(selector.metric)):
            continue
        scrape = format_seconds(checked.timing.scrape)
        if leaf.threshold == 0:
            text = "of a series that is new, the first increment has no sample before it: 1 single event never fires it"
            remedy = f"let the service start its counters at 0, or add `or ({selector} > 0 unless {selector} offset {format_seconds(leaf.range_seconds)})`"
            yield CheckResult("weakness", text, remedy)
        else:
            text = f"a label value that comes with the fault is a new series: its rate starts 1 scrape ({scrape}) later"
            yield CheckResult("note", text, "let the service start its counters at 0")


def bucket_bound(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a quantile's threshold that is not a bound of its histogram."""
    for leaf in checked.shape.leaves:
        bounds = _bounds(checked, leaf.bad) if leaf.kind == "quantile" and leaf.bad is not None else ()
        if not bounds or leaf.bound in bounds[:-1]:
            continue
        if leaf.bound >= bounds[-1] and leaf.comparison in {">", ">="}:
            if leaf.bound > bounds[-1] or leaf.comparison == ">":
                text = f"no quantile exceeds the largest bound {bounds[-1]:g}: `{leaf.comparison} {leaf.bound:g}` never holds"
                yield CheckResult("problem", text, f"give the histogram a bucket above {leaf.bound:g}")
            continue
        lower = max((bound for bound in bounds if bound < leaf.bound), default=0.0)
        upper = min((bound for bound in bounds if bound > leaf.bound), default=math.inf)
        text = (
            f"{leaf.bound:g} is not a bound of the histogram: between {lower:g} and {upper:g} the quantile is a guess"
        )
        yield CheckResult(
            "weakness", text, f"give the histogram a bucket at {leaf.bound:g}, or compare with {lower:g} or {upper:g}"
        )


def _bounds(checked: CheckedRule, selector: Selector) -> tuple[float, ...]:
    """Return the finite bounds of a histogram: those of a server's series, else those in the KPI file."""
    shown = {one["le"] for one in checked.context.labels.get(str(selector), ()) if "le" in one}
    finite = sorted(bound for bound in map(float, shown) if not math.isinf(bound))
    return tuple(finite) or checked.context.kpis.buckets.get(selector.metric, ())
