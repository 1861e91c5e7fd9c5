"""Checks of the series behind a rule: whether they are there, how they begin, and what their buckets can tell."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.expression import Selector, selectors_of
from alertdrill.agent.rules.remark import CheckedRule, CheckResult
from alertdrill.agent.rules.shape import bare, classify
from alertdrill.units.duration import format_seconds

_FAILURE = re.compile(r"err|fail|drop|reject|timeout|restart|abort|exception|oom")
_OUTCOME_LABELS = {"code", "status", "status_code", "result", "outcome", "reason", "error", "grpc_code", "exception"}


def series_absent(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find what a rule does not see because its series are not there."""
    for leaf in subject.shape.leaves:
        if leaf.kind == "up" and leaf.bad is not None and not _guarded(subject, leaf.bad):
            yield CheckResult(
                "weakness",
                "a target that leaves the configuration or its discovery leaves no `up`: 0 alerts,"
                f" and one that fired resolves within {format_seconds(_gone_seconds(subject))}",
                f"`{subject.rule.expr} or absent({leaf.bad})`",
            )
            return
    required = subject.tree.required if subject.tree else ()
    if any(_guarded(subject, selector) for selector in required) or not required:
        return
    if not any(classify(rule.expr).kind in {"up", "absent"} for rule in subject.known.rules):
        yield CheckResult(
            "weakness",
            f"if {required[0].metric or required[0]} is not there, it is silent: 0 of {len(subject.known.rules)}"
            " rules watch for that",
            f"a rule `absent({required[0]})`, or `up == 0` for its job",
        )


def _guarded(subject: CheckedRule, selector: Selector) -> bool:
    """Tell whether any rule watches for a selector's series not to be there."""
    for rule in (subject.rule, *subject.known.rules):
        if any(one.metric == selector.metric for one in _looked_for(rule.expr)):
            return True
    return False


def _looked_for(expr: str) -> tuple[Selector, ...]:
    try:
        return tuple(_within_absent(promql.parse(expr)))
    except ValueError:
        return ()


def _within_absent(node: Any) -> Iterator[Selector]:  # noqa: ANN401 - the parser has no types
    node = bare(node)
    match node:
        case promql.Call() if node.func.name.startswith("absent"):
            yield from selectors_of(node)
        case promql.BinaryExpr():
            yield from _within_absent(node.lhs)
            yield from _within_absent(node.rhs)


def _gone_seconds(subject: CheckedRule) -> float:
    """Prometheus marks what it no longer scrapes after about two intervals; then comes an evaluation."""
    return 2.1 * subject.timing.scrape + subject.timing.interval


def first_increment(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find counters whose first increment makes the series, so that no rate sees it."""
    for leaf in subject.shape.leaves:
        selector = leaf.bad
        if leaf.kind not in {"rate", "ratio"} or selector is None or leaf.comparison not in {">", ">="}:
            continue
        by_label = any(m.label in _OUTCOME_LABELS and m.op in {"=", "=~"} for m in selector.matchers)
        if not by_label and not (leaf.threshold == 0 and _FAILURE.search(selector.metric)):
            continue
        scrape = format_seconds(subject.timing.scrape)
        if leaf.threshold == 0:
            text = "of a series that is new, the first increment has no sample before it: 1 single event never fires it"
            remedy = f"let the service start its counters at 0, or add `or ({selector} unless {selector} offset 5m)`"
            yield CheckResult("weakness", text, remedy)
        else:
            text = f"a label value that comes with the fault is a new series: its rate starts 1 scrape ({scrape}) later"
            yield CheckResult("note", text, "let the service start its counters at 0")


def bucket_bound(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find a quantile's threshold that its histogram cannot tell."""
    for leaf in subject.shape.leaves:
        bounds = _bounds(subject, leaf.bad) if leaf.kind == "quantile" and leaf.bad is not None else ()
        if not bounds or leaf.bound in bounds[:-1]:
            continue
        if leaf.bound >= bounds[-1] and leaf.comparison in {">", ">="}:
            if leaf.bound > bounds[-1] or leaf.comparison == ">":
                text = f"no quantile exceeds the largest bound {bounds[-1]:g}: `{leaf.comparison} {leaf.bound:g}` never holds"
                yield CheckResult("problem", text, f"give the histogram a bucket above {leaf.bound:g}")
            continue
        lower = max((bound for bound in bounds if bound < leaf.bound), default=0.0)
        upper = min((bound for bound in bounds if bound > leaf.bound), default=math.inf)
        text = f"{leaf.bound:g} is no bound of the histogram: between {lower:g} and {upper:g} the quantile is a guess"
        yield CheckResult(
            "weakness", text, f"give the histogram a bucket at {leaf.bound:g}, or compare with {lower:g} or {upper:g}"
        )


def _bounds(subject: CheckedRule, selector: Selector) -> tuple[float, ...]:
    """Tell the finite bounds of a histogram: those that a server showed, else those that are written down."""
    shown = {one["le"] for one in subject.known.labels.get(str(selector), ()) if "le" in one}
    finite = sorted(bound for bound in map(float, shown) if not math.isinf(bound))
    return tuple(finite) or subject.known.kpis.buckets.get(selector.metric, ())
