"""Finds the shape of an expression: which of the kinds with a formula it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.expression import Selector, constant, reversed_comparison, selectors_of
from alertdrill.agent.rules.shape import Kind, Shape
from alertdrill.units.promql import nodes, parse

_COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
_SETS: dict[str, Kind] = {"and": "both", "or": "either", "unless": "unless"}
_OTHER = Shape("other")
# What looks back, or depends on the clock.
_NOT_INSTANT = ("[", "time()", "absent", "timestamp(", "hour(", "minute(", "day_of_", "days_in_", "month(", "year(")


@lru_cache(maxsize=256)
def classify(expr: str) -> Shape:
    """Return an expression's shape; `other` if there is no formula for it, or if it cannot be read."""
    try:
        return _shape(parse(expr))
    except ValueError:
        return _OTHER


def guarded_metrics(expr: str) -> set[str]:
    """Return the metrics that an expression looks for within absent(); empty if it cannot be read."""
    if "absent" not in expr:
        return set()
    try:
        return {one.metric for one in _within_absent(parse(expr))}
    except ValueError:
        return set()


def guarding_targets(expr: str) -> tuple[Selector, ...]:
    """Return the selectors of `up` that an expression compares so that it finds targets that are down."""
    try:
        tree = parse(expr)
    except ValueError:
        return ()
    return tuple(
        selector
        for node in nodes(tree)
        if _finds_down(node)
        for selector in selectors_of(node)
        if selector.metric == "up"
    )


def _finds_down(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    if isinstance(node, promql.Call) and node.func.name.startswith("absent"):
        return True
    if not isinstance(node, promql.BinaryExpr) or str(node.op) not in _COMPARISONS:
        return False
    # `up == 0`, `up != 1`, `avg_over_time(up[5m]) < 0.9`
    return (str(node.op), constant(node.rhs)) == ("==", 0) or str(node.op) in {"<", "<=", "!="}


def _within_absent(node: Any) -> Iterator[Selector]:  # noqa: ANN401 - the parser has no types
    node = bare(node)
    match node:
        case promql.Call() if node.func.name.startswith("absent"):
            yield from selectors_of(node)
        case promql.BinaryExpr():
            yield from _within_absent(node.lhs)
            yield from _within_absent(node.rhs)


def _shape(node: Any) -> Shape:  # noqa: ANN401 - the parser has no types
    node = bare(node)
    match node:
        case promql.BinaryExpr() if str(node.op) in _SETS:
            kind, parts = _SETS[str(node.op)], (_shape(node.lhs), _shape(node.rhs))
            return Shape(kind, range_seconds=max(part.range_seconds for part in parts), parts=parts)
        case promql.BinaryExpr() if str(node.op) in _COMPARISONS and not _is_bool(node):
            return _comparison(node)
        case promql.BinaryExpr() if str(node.op) == "*" and constant(node.lhs) is None and constant(node.rhs) is None:
            return _labelled(node)
        case promql.AggregateExpr() if str(node.op) in {"sum", "max", "min", "avg", "count"}:
            # A comparison inside: the alert exists as long as any series passes it.
            return _shape(node.expr)
        case promql.Call() if node.func.name == "absent":
            looked_for = selectors_of(node)
            return _OTHER if any(one.offset_seconds for one in looked_for) else Shape("absent", bad=_one(looked_for))
        case promql.Call() if node.func.name == "absent_over_time":
            return _over_time(node, "==", 0.0, "all")
    return _OTHER


def _labelled(node: Any) -> Shape:  # noqa: ANN401 - the parser has no types
    """Return the condition of an expression that only adds labels: `(condition) * on (instance) group_left (name) info`."""
    sides = [_shape(side) for side in (node.lhs, node.rhs)]
    known = [shape for shape in sides if shape.kind != "other"]
    return known[0] if len(known) == 1 and _is_instant(node.rhs if known[0] is sides[0] else node.lhs) else _OTHER


def _comparison(node: Any) -> Shape:  # noqa: ANN401 - the parser has no types
    comparison, left, right = str(node.op), constant(node.lhs), constant(node.rhs)
    before, after = _clock(node.lhs), _clock(node.rhs)
    if after is not None:
        shape = _age(node.lhs, reversed_comparison(comparison), -after)
    elif before is not None:
        shape = _age(node.rhs, comparison, -before)
    elif left is not None:
        shape = _value(bare(node.rhs), reversed_comparison(comparison), left)
    elif right is not None:
        shape = _value(bare(node.lhs), comparison, right)
    else:
        shape = _OTHER
    if shape.kind == "other" and _is_instant(node):
        return Shape("gauges", comparison)
    if not math.isfinite(shape.threshold):
        return _OTHER
    # It is unknown when a mean passes through one exact number.
    is_exact = comparison == "!=" or (comparison == "==" and shape.threshold != 0)
    return _OTHER if shape.range_seconds and is_exact else shape


def _value(node: Any, comparison: str, threshold: float) -> Shape:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.VectorSelector():
            selector = _one(selectors_of(node))
            if selector is None:
                return _OTHER
            return Shape("up" if selector.metric == "up" else "gauge", comparison, threshold, bad=selector)
        case promql.AggregateExpr() if str(node.op) in {"sum", "max", "min", "avg"}:
            return _aggregate(str(node.op), _value(bare(node.expr), comparison, threshold))
        case promql.Call() if node.func.name in _CALLS:
            return _CALLS[node.func.name](node, comparison, threshold)
        case promql.BinaryExpr():
            return _binary(node, comparison, threshold)
    return _OTHER


def _aggregate(op: str, inner: Shape) -> Shape:
    """Return the shape of an aggregation: only a sum of rates is a rate again; the largest of gauges is a gauge."""
    if inner.kind == "rate" and op != "sum":
        return replace(inner, kind="mean")
    if op == "sum" and inner.function == "avg_over_time":
        # A sum of means has no largest value, even if each mean has one.
        return replace(inner, function="")
    return inner if inner.kind in {"gauge", "up", "mean", "any", "all"} or op == "sum" else _OTHER


def _rate(node: Any, comparison: str, threshold: float, kind: Kind = "rate") -> Shape:  # noqa: ANN401 - no types
    selector = _ranged(node)
    if selector is None or not selector.range_seconds:
        return _OTHER
    counts = node.func.name in {"increase", "changes", "resets"}
    a_second = threshold / selector.range_seconds if counts else threshold
    return Shape(kind, comparison, a_second, selector.range_seconds, selector, function=node.func.name)


def _mean(node: Any, comparison: str, threshold: float) -> Shape:  # noqa: ANN401 - the parser has no types
    return _rate(node, comparison, threshold, "mean")


def _extreme(node: Any, comparison: str, threshold: float) -> Shape:  # noqa: ANN401 - the parser has no types
    """One sample above a number lifts the maximum above it; for the minimum, all samples must be above."""
    is_largest = node.func.name == "max_over_time"
    rises = comparison in {">", ">="}
    return _over_time(node, comparison, threshold, "any" if is_largest == rises else "all")


def _over_time(node: Any, comparison: str, threshold: float, kind: Kind) -> Shape:  # noqa: ANN401 - no types
    selector = _ranged(node)
    if selector is None or not selector.range_seconds:
        return _OTHER
    return Shape(kind, comparison, threshold, selector.range_seconds, selector)


def _quantile(node: Any, comparison: str, bound: float) -> Shape:  # noqa: ANN401 - the parser has no types
    q, inner = constant(node.args[0]), _value(bare(node.args[1]), comparison, 0.0)
    if q is None or not 0 < q < 1 or inner.kind != "rate":
        return _OTHER
    return replace(
        inner, kind="quantile", threshold=round(1 - q, 12), quantile=q, bound=bound, all=inner.bad, function=""
    )


_CALLS: dict[str, Callable[[Any, str, float], Shape]] = {
    "rate": _rate,
    "increase": _rate,
    "avg_over_time": _mean,
    "changes": _mean,
    "resets": _mean,
    "max_over_time": _extreme,
    "min_over_time": _extreme,
    "histogram_quantile": _quantile,
}


def _binary(node: Any, comparison: str, threshold: float) -> Shape:  # noqa: ANN401 - the parser has no types
    op, left, right = str(node.op), constant(node.lhs), constant(node.rhs)
    if right is not None:
        return _undone(node.lhs, op, right, (comparison, threshold))
    if op == "-" and left is not None:
        return _value(bare(node.rhs), reversed_comparison(comparison), left - threshold)
    if op in {"*", "+"} and left is not None:
        return _undone(node.rhs, op, left, (comparison, threshold))
    if op == "-" and _is_now(node.lhs):
        return _age(node.rhs, comparison, threshold)
    return _ratio(node, comparison, threshold) if op == "/" and left is None else _OTHER


def _undone(value: Any, op: str, by: float, condition: tuple[str, float]) -> Shape:  # noqa: ANN401 - no types
    """Move arithmetic with a number to the threshold's side."""
    comparison, threshold = condition
    if op in {"+", "-"}:
        return _value(bare(value), comparison, threshold - by if op == "+" else threshold + by)
    if op not in {"*", "/"} or by == 0:
        return _OTHER
    moved = threshold / by if op == "*" else threshold * by
    return _value(bare(value), comparison if by > 0 else reversed_comparison(comparison), moved)


def _ratio(node: Any, comparison: str, threshold: float) -> Shape:  # noqa: ANN401 - the parser has no types
    bad, every = (_value(bare(side), comparison, 1.0) for side in (node.lhs, node.rhs))
    if bad.kind != "rate" or every.kind != "rate" or bad.range_seconds != every.range_seconds:
        return _OTHER
    # Only these two move a threshold of 0.
    text = node.prettify()
    if ("+" in text or "-" in text) and any(
        _value(bare(side), comparison, 0.0).threshold != 0 for side in (node.lhs, node.rhs)
    ):
        return _OTHER
    # With the threshold 1, the threshold of each side is its own factor.
    return replace(bad, kind="ratio", threshold=threshold * bad.threshold / every.threshold, all=every.bad, function="")


def _age(node: Any, comparison: str, threshold: float) -> Shape:  # noqa: ANN401 - the parser has no types
    inner = _value(bare(node), comparison, 0.0)
    # Something was added to the instant.
    is_moved = inner.threshold != 0
    return (
        Shape("age", comparison, threshold, bad=inner.bad)
        if inner.kind in {"gauge", "any"} and not is_moved
        else _OTHER
    )


def _clock(node: Any) -> float | None:  # noqa: ANN401 - the parser has no types
    """Return the number that is added to `time()`; None for any other expression."""
    node = bare(node)
    if _is_now(node):
        return 0.0
    if not isinstance(node, promql.BinaryExpr) or str(node.op) not in {"+", "-"} or not _is_now(node.lhs):
        return None
    number = constant(node.rhs)
    return number if number is None or str(node.op) == "+" else -number


def _is_now(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    node = bare(node)
    return isinstance(node, promql.Call) and node.func.name == "time"


def _is_bool(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    return bool(node.modifier is not None and node.modifier.return_bool)


def _is_instant(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether only the newest samples count: no range, no offset, no subquery, no clock."""
    text = node.prettify()
    looks_back = any(one.range_seconds is not None or one.offset_seconds for one in selectors_of(node))
    return not looks_back and not any(word in text for word in _NOT_INSTANT)


def bare(node: Any) -> Any:  # noqa: ANN401 - the parser has no types
    """Return a node without its parentheses."""
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return node


def _ranged(call: Any) -> Selector | None:  # noqa: ANN401 - the parser has no types
    """Return the range selector of a function; None if it has a subquery, which has steps of its own."""
    argument = bare(call.args[0])
    return _one(selectors_of(argument)) if isinstance(argument, promql.MatrixSelector) else None


def _one(selectors: tuple[Selector, ...]) -> Selector | None:
    """Return the only selector; None if there are several, or if it has an offset."""
    return selectors[0] if len(selectors) == 1 and not selectors[0].offset_seconds else None
