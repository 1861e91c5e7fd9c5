"""Expressions that are never true because of their own form, whatever a fault does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.classify import bare
from alertdrill.agent.rules.expression import ThresholdCondition, selectors_of, split
from alertdrill.agent.rules.timing import LOOKBACK_SECONDS
from alertdrill.agent.rules.values import is_never
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert, true_instants
from alertdrill.agent.verdict.evaluations import part, targets_behind
from alertdrill.agent.verdict.verdict import ChainLink, Finding
from alertdrill.units.promql import nodes, parse

_NEEDS_TWO = {"rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear"}


def never_by_form(silent: SilentAlert) -> Finding | None:
    """Find an expression that no fault can make true."""
    if silent.tree is None or any(true_instants(silent)):
        return None
    found = next((text for check in _CHECKS for text in check(silent)), "")
    return Finding(ChainLink.NEVER_TRUE, f"it can never be true: {found}", is_structural=True) if found else None


def is_constant(expr: str) -> bool:
    """Return whether an expression looks at no series, and at no clock."""
    tree = parse(expr)
    calls = {node.func.name for node in nodes(tree) if isinstance(node, promql.Call)}
    return not selectors_of(tree) and calls <= {"vector", "scalar"}


def _proven(silent: SilentAlert) -> Iterator[str]:
    lookback = silent.recording.prometheus.lookback_seconds or LOOKBACK_SECONDS
    why = is_never(parse(silent.rule.expr), lookback)
    if why is not None:
        yield why


def _lost_bounds(silent: SilentAlert) -> Iterator[str]:
    """Find a quantile of a histogram whose buckets are summed `without` their bounds."""
    for node in nodes(parse(silent.rule.expr)):
        if not isinstance(node, promql.Call) or node.func.name != "histogram_quantile":
            continue
        buckets = bare(node.args[1])
        # A native histogram has its bounds inside, and no label for them.
        is_classic = any(one.metric.endswith("_bucket") for one in selectors_of(buckets))
        if is_classic and any(map(_drops_bounds, nodes(buckets))):
            yield f"`{buckets.prettify()}` has no label `le`, and a quantile without bounds has no result"


def _drops_bounds(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    by = node.modifier if isinstance(node, promql.AggregateExpr) else None
    return by is not None and not str(by.type).endswith("By") and "le" in by.labels


def _beyond_all_bounds(silent: SilentAlert) -> Iterator[str]:
    for condition in _conditions(silent):
        node = bare(parse(condition.value_expr))
        if condition.comparison not in {">", ">="} or not isinstance(node, promql.Call):
            continue
        bounds = _bounds(silent, node.args[1]) if node.func.name == "histogram_quantile" else []
        if bounds and not condition.holds(max(bounds)):
            yield (
                f"no quantile exceeds the largest bound {max(bounds):g} of its buckets,"
                f" and it fires at {condition.comparison} {condition.threshold:g}"
            )


def _bounds(silent: SilentAlert, buckets: Any) -> list[float]:  # noqa: ANN401 - the parser has no types
    found = [part(silent.record, str(selector)) for selector in selectors_of(buckets)]
    shown = {
        series.labels.get("le", "") for one in found if one and one.total <= len(one.series) for series in one.series
    }
    try:
        return [bound for bound in map(float, shown) if math.isfinite(bound)]
    except ValueError:
        return []


def _range_without_two_samples(silent: SilentAlert) -> Iterator[str]:
    """Find a rate over a range that is shorter than the scrape interval of its series."""
    fastest = min((target.interval_seconds for target in targets_behind(silent.recording, silent.record)), default=0.0)
    for node in nodes(parse(silent.rule.expr)):
        if not isinstance(node, promql.Call) or node.func.name not in _NEEDS_TWO or not node.args:
            continue
        ranged = bare(node.args[0])
        width = ranged.range.total_seconds() if isinstance(ranged, promql.MatrixSelector) else math.inf
        if width < fastest:
            yield (
                f"{node.func.name}() needs two samples, and its range of {width:g} s has one at most:"
                f" the scrape interval is {fastest:g} s"
            )


def _conditions(silent: SilentAlert) -> Iterator[ThresholdCondition]:
    texts = (silent.rule.expr, *silent.tree.clauses) if silent.tree is not None else ()
    yield from (found for text in texts if (found := split(text)) is not None)


_CHECKS: tuple[Callable[[SilentAlert], Iterator[str]], ...] = (
    _proven,
    _lost_bounds,
    _range_without_two_samples,
    _beyond_all_bounds,
)
