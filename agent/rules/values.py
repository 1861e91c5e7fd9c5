"""What is certain of an expression's values from its text alone: their bounds, that there are none, or always some.

`count()` of nothing is nothing, so a count is at least 1; a rate is never below 0; a sample older than the lookback is
no value. A comparison that no such value passes never holds, and its alert never fires.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.classify import bare
from alertdrill.agent.rules.expression import constant, reversed_comparison, selectors_of
from alertdrill.agent.rules.kept_labels import kept
from alertdrill.agent.rules.timing import LOOKBACK_SECONDS

COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
_SAME_VALUES = {
    "avg_over_time", "min_over_time", "max_over_time", "last_over_time", "quantile_over_time", "label_replace",
    "label_join", "sort", "sort_desc", "scalar", "vector", "info",
}  # fmt: skip
_NONE_IS_SOMETHING = {"absent", "absent_over_time", "scalar", "vector", "time", "pi"}


@dataclass(frozen=True)
class Bounds:
    """The least and the largest value, and whether all are whole numbers."""

    low: float = -math.inf
    high: float = math.inf
    is_whole: bool = False

    def __str__(self) -> str:
        """Format them for a sentence."""
        if self.low == self.high:
            return f"always {self.low:g}"
        # Without a minus before 0.
        low, high = f"{self.low + 0.0:g}", f"{self.high + 0.0:g}"
        if math.isinf(self.high):
            return f"never below {low}"
        return f"never above {high}" if math.isinf(self.low) else f"from {low} to {high}"


_ANY, _POSITIVE, _ONE = Bounds(), Bounds(0.0), Bounds(1.0, 1.0, is_whole=True)
_CALLS = {
    "rate": _POSITIVE,
    "irate": _POSITIVE,
    "increase": _POSITIVE,
    "changes": Bounds(0.0, is_whole=True),
    "resets": Bounds(0.0, is_whole=True),
    "count_over_time": Bounds(1.0, is_whole=True),
    "present_over_time": _ONE,
    "absent": _ONE,
    "absent_over_time": _ONE,
    "abs": _POSITIVE,
    "sqrt": _POSITIVE,
    "stddev_over_time": _POSITIVE,
    "stdvar_over_time": _POSITIVE,
    "histogram_count": _POSITIVE,
    "time": Bounds(1e9),
    "sgn": Bounds(-1.0, 1.0, is_whole=True),
    "minute": Bounds(0, 59, is_whole=True),
    "hour": Bounds(0, 23, is_whole=True),
    "day_of_week": Bounds(0, 6, is_whole=True),
    "day_of_month": Bounds(1, 31, is_whole=True),
    "day_of_year": Bounds(1, 366, is_whole=True),
    "days_in_month": Bounds(28, 31, is_whole=True),
    "month": Bounds(1, 12, is_whole=True),
}
_AT_LEAST_ONE = Bounds(1.0, is_whole=True)
_AGGREGATES = {
    "count": _AT_LEAST_ONE,
    "count_values": _AT_LEAST_ONE,
    "group": _ONE,
    "stddev": _POSITIVE,
    "stdvar": _POSITIVE,
}
_UP = Bounds(0.0, 1.0, is_whole=True)
_METRICS = {"up": _UP, "probe_success": _UP, "ALERTS": _ONE}


def bounds(node: Any, lookback: float = LOOKBACK_SECONDS) -> Bounds:  # noqa: ANN401 - the parser has no types
    """Return the bounds of an expression's values."""
    number = constant(node)
    if number is not None:
        return Bounds(number, number, number.is_integer())
    node = bare(node)
    match node:
        case promql.VectorSelector() | promql.MatrixSelector():
            return _METRICS.get(selectors_of(node)[0].metric, _ANY)
        case promql.SubqueryExpr():
            return bounds(node.expr, lookback)
        case promql.UnaryExpr():
            inner = bounds(node.expr, lookback)
            return Bounds(-inner.high, -inner.low, inner.is_whole)
        case promql.Call():
            return _of_call(node, lookback)
        case promql.AggregateExpr():
            return _of_aggregate(node, lookback)
        case promql.BinaryExpr():
            return _of_operator(node, lookback)
    return _ANY


def _of_call(node: Any, lookback: float) -> Bounds:  # noqa: ANN401 - the parser has no types
    name = node.func.name
    if name in _CALLS:
        return _CALLS[name]
    if name in {"clamp_min", "clamp_max", "clamp"}:
        return _clamped(node, lookback)
    if name in _SAME_VALUES:
        values = [bounds(one, lookback) for one in node.args if not isinstance(one, promql.StringLiteral)]
        found = values[-1] if name == "quantile_over_time" else values[0]
        return Bounds(found.low, found.high, found.is_whole and name not in {"avg_over_time", "quantile_over_time"})
    if name == "sum_over_time" and bounds(node.args[0], lookback).low >= 0:
        return _POSITIVE
    return _ANY


def _clamped(node: Any, lookback: float) -> Bounds:  # noqa: ANN401 - the parser has no types
    inner, limits = bounds(node.args[0], lookback), [bounds(one) for one in node.args[1:]]
    low, high = inner.low, inner.high
    if node.func.name != "clamp_max":
        low, high = max(low, limits[0].low), max(high, limits[0].high)
    if node.func.name != "clamp_min":
        low, high = min(low, limits[-1].low), min(high, limits[-1].high)
    return Bounds(low, high)


def _of_aggregate(node: Any, lookback: float) -> Bounds:  # noqa: ANN401 - the parser has no types
    op = str(node.op)
    if op in _AGGREGATES:
        return _AGGREGATES[op]
    inner = bounds(node.expr, lookback)
    if op == "sum":
        return Bounds(
            inner.low if inner.low >= 0 else -math.inf, inner.high if inner.high <= 0 else math.inf, inner.is_whole
        )
    return Bounds(inner.low, inner.high, inner.is_whole and op in {"min", "max", "topk", "bottomk"})


def _of_operator(node: Any, lookback: float) -> Bounds:  # noqa: ANN401 - the parser has no types
    op = str(node.op)
    left, right = bounds(node.lhs, lookback), bounds(node.rhs, lookback)
    if op in COMPARISONS:
        return _of_comparison(node, left, right)
    if op in {"and", "unless"}:
        return left
    if op == "or":
        return Bounds(min(left.low, right.low), max(left.high, right.high), left.is_whole and right.is_whole)
    if op == "-" and _is_age(node):
        # A sample may have a timestamp that is ahead of the server's clock.
        return Bounds(-math.inf, lookback)
    if op in _OF_ITSELF and _is_of_itself(node):
        return _OF_ITSELF[op]
    return _CALCULATED[op](left, right) if op in _CALCULATED else _ANY


def _is_of_itself(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether an operator pairs each series with itself."""
    return not _has_matching(node) and spelled(bare(node.lhs)) == spelled(bare(node.rhs))


_OF_ITSELF = {"/": _ONE, "-": Bounds(0.0, 0.0, is_whole=True)}


def _is_age(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether it is `time() - timestamp(series)`."""
    now = bare(node.lhs)
    return isinstance(now, promql.Call) and now.func.name == "time" and _is_timestamp(node.rhs)


def _is_timestamp(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether it is the instant of the newest sample of a series, or of one of several."""
    then = bare(node)
    while isinstance(then, promql.AggregateExpr) and str(then.op) in {"min", "max", "avg"}:
        then = bare(then.expr)
    if not isinstance(then, promql.Call) or then.func.name != "timestamp":
        return False
    inner = bare(then.args[0])
    return isinstance(inner, promql.VectorSelector) and not inner.offset


def _of_comparison(node: Any, left: Bounds, right: Bounds) -> Bounds:  # noqa: ANN401 - the parser has no types
    if node.modifier is not None and node.modifier.return_bool:
        return Bounds(0.0, 1.0, is_whole=True)
    op, kept_values, limit = str(node.op), left, right
    if constant(node.lhs) is not None:
        op, kept_values, limit = reversed_comparison(op), right, left
    low, high = kept_values.low, kept_values.high
    if op in {">", ">=", "=="}:
        low = max(low, limit.low)
    if op in {"<", "<=", "=="}:
        high = min(high, limit.high)
    return Bounds(low, high, kept_values.is_whole)


def _sum(left: Bounds, right: Bounds) -> Bounds:
    return Bounds(left.low + right.low, left.high + right.high, left.is_whole and right.is_whole)


def _difference(left: Bounds, right: Bounds) -> Bounds:
    return _sum(left, Bounds(-right.high, -right.low, right.is_whole))


def _product(left: Bounds, right: Bounds) -> Bounds:
    if min(left.low, right.low) >= 0:
        # 0 times an endless value has no bound.
        return Bounds(_times(left.low, right.low, 0.0), _times(left.high, right.high, math.inf))
    return _ANY


def _times(left: float, right: float, otherwise: float) -> float:
    product = left * right
    return otherwise if math.isnan(product) else product


def _quotient(left: Bounds, right: Bounds) -> Bounds:
    if right.low == right.high and right.low > 0:
        return Bounds(left.low / right.low, left.high / right.low)
    return _POSITIVE if min(left.low, right.low) >= 0 else _ANY


def _remainder(left: Bounds, right: Bounds) -> Bounds:
    if right.low != right.high or right.low <= 0:
        return _ANY
    return Bounds(0.0 if left.low >= 0 else -right.low, right.low)


_CALCULATED: dict[str, Callable[[Bounds, Bounds], Bounds]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
    "%": _remainder,
}


def is_never(node: Any, lookback: float = LOOKBACK_SECONDS) -> str | None:  # noqa: ANN401 - the parser has no types
    """Return why an expression never has a result, as a sentence; None if that is not certain."""
    node = bare(node)
    match node:
        case promql.BinaryExpr():
            return _never_by_operator(node, lookback)
        case promql.Call() if node.func.name == "histogram_quantile":
            return _without_le(node) or is_never(node.args[1], lookback)
        case promql.Call() if node.func.name not in _NONE_IS_SOMETHING:
            return next((why for one in node.args if (why := is_never(one, lookback))), None)
        case promql.AggregateExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return is_never(node.expr, lookback)
    return None


def spelled(node: Any) -> str:  # noqa: ANN401 - the parser has no types
    """Format an expression on one line."""
    return re.sub(r"(?<=[(\[{]) | (?=[)\]}])", "", " ".join(node.prettify().split()))


def _without_le(node: Any) -> str | None:  # noqa: ANN401 - the parser has no types
    """Find a quantile of buckets whose bounds were summed away; a native histogram has no buckets of its own."""
    inner = node.args[1]
    names = {one.metric for one in selectors_of(inner)}
    if kept(inner).lacks("le") and names and all(name.endswith("_bucket") for name in names):
        return f"`{spelled(inner)}` has no label `le`, and a quantile without bounds has no result"
    return None


def _never_by_operator(node: Any, lookback: float) -> str | None:  # noqa: ANN401 - the parser has no types
    op = str(node.op)
    left, right = is_never(node.lhs, lookback), is_never(node.rhs, lookback)
    if op == "or":
        return left if right else None
    if op == "unless":
        return left or _left_out(node)
    if left or right:
        return left or right
    if op == "and":
        return _contradiction(node)
    if op not in COMPARISONS or (node.modifier is not None and node.modifier.return_bool):
        return None
    return _never_by_comparison(node, lookback)


def _never_by_comparison(node: Any, lookback: float) -> str | None:  # noqa: ANN401 - the parser has no types
    op, value, limit = str(node.op), node.lhs, node.rhs
    if constant(value) is not None:
        op, value, limit = reversed_comparison(op), limit, value
    if constant(limit) is None:
        return _never_between(node, lookback)
    found, number = bounds(value, lookback), bounds(limit).low
    if found == _ANY or math.isnan(number):
        return None
    least_and_most = {found.low, found.high}
    is_impossible = not any(_HOLDS[op](one, number) for one in least_and_most)
    if op == "==":
        is_impossible = number < found.low or number > found.high or (found.is_whole and not number.is_integer())
    text = f"a whole number, {found}" if found.is_whole and found.low != found.high else str(found)
    if not is_impossible:
        return None
    return f"`{spelled(value)}` is {text}, so `{op} {number:g}` never holds"


def _never_between(node: Any, lookback: float) -> str | None:  # noqa: ANN401 - the parser has no types
    """Return why a comparison of two expressions never holds."""
    op = str(node.op)
    if op in {">", "<"} and _is_of_itself(node):
        return f"both sides of `{op}` are `{spelled(bare(node.lhs))}`, so it never holds"
    left, right = _aged(node.lhs), _aged(node.rhs)
    if left is None or right is None:
        return None
    now, then, number = (one - other for one, other in zip(left, right, strict=True))
    if (now, then) not in {(1, -1), (-1, 1)}:
        return None
    # What is left is `age + number op 0`, or with a minus before the age.
    op, limit = (op, -number) if now == 1 else (reversed_comparison(op), number)
    is_reached = op not in {">", ">=", "=="} or limit < lookback or (limit == lookback and op != ">")
    return (
        None
        if is_reached
        else f"the age of a timestamp() is never above {lookback:g} s, so `{op} {limit:g}` never holds"
    )


def _aged(node: Any) -> tuple[float, float, float] | None:  # noqa: ANN401 - the parser has no types
    """Return how often `time()`, a `timestamp()` and 1 stand in a sum; None if it is made of anything else."""
    number = constant(node)
    if number is not None:
        return 0.0, 0.0, number
    node = bare(node)
    if isinstance(node, promql.BinaryExpr) and str(node.op) in {"+", "-"} and not _has_matching(node):
        left, right, sign = _aged(node.lhs), _aged(node.rhs), 1 if str(node.op) == "+" else -1
        if left is None or right is None:
            return None
        return left[0] + sign * right[0], left[1] + sign * right[1], left[2] + sign * right[2]
    if isinstance(node, promql.Call) and node.func.name == "time":
        return 1.0, 0.0, 0.0
    return (0.0, 1.0, 0.0) if _is_timestamp(node) else None


def passes_all(node: Any, lookback: float = LOOKBACK_SECONDS) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether a comparison with a number holds for every value that there can be."""
    op, value, limit = str(node.op), node.lhs, constant(node.rhs)
    if constant(value) is not None:
        op, value, limit = reversed_comparison(op), node.rhs, constant(value)
    if limit is None:
        return False
    found = bounds(value, lookback)
    if op == "!=":
        return limit < found.low or limit > found.high
    return all(_HOLDS[op](one, limit) for one in (found.low, found.high))


_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
}


@dataclass(frozen=True)
class _Passed:
    """The values that pass a comparison with a number: `low` and `high`, and whether these pass as well."""

    low: float
    high: float
    with_low: bool
    with_high: bool

    def excludes(self, other: _Passed) -> bool:
        for below, above in ((self, other), (other, self)):
            if below.high < above.low or (below.high == above.low and not (below.with_high and above.with_low)):
                return True
        return False

    def is_within(self, other: _Passed) -> bool:
        low = self.low > other.low or (self.low == other.low and (other.with_low or not self.with_low))
        high = self.high < other.high or (self.high == other.high and (other.with_high or not self.with_high))
        return low and high


def _passed(node: Any) -> tuple[str, _Passed] | None:  # noqa: ANN401 - the parser has no types
    """Return the value that is compared with a number, and what passes; None for any other expression."""
    node = bare(node)
    if not isinstance(node, promql.BinaryExpr) or str(node.op) not in COMPARISONS or str(node.op) == "!=":
        return None
    if node.modifier is not None and node.modifier.return_bool:
        return None
    op, value, limit = str(node.op), node.lhs, constant(node.rhs)
    if constant(node.lhs) is not None:
        op, value, limit = reversed_comparison(op), node.rhs, constant(node.lhs)
    if limit is None:
        return None
    low = limit if op in {">", ">=", "=="} else -math.inf
    high = limit if op in {"<", "<=", "=="} else math.inf
    return bare(value).prettify(), _Passed(low, high, op != ">", op != "<")


def _conditions(node: Any) -> Iterator[Any]:  # noqa: ANN401 - the parser has no types
    """Yield the sides of `and`, of which each must have the very labels of the others."""
    node = bare(node)
    if isinstance(node, promql.BinaryExpr) and str(node.op) == "and" and not _has_matching(node):
        yield from _conditions(node.lhs)
        yield from _conditions(node.rhs)
    else:
        yield node


def _has_matching(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    return node.modifier is not None and node.modifier.matching is not None


def _contradiction(node: Any) -> str | None:  # noqa: ANN401 - the parser has no types
    passed = [(one, found) for one in _conditions(node) if (found := _passed(one)) is not None]
    for index, (one, (value, its)) in enumerate(passed):
        for other, (same, others) in passed[:index]:
            if value == same and its.excludes(others):
                return f"`{spelled(other)}` and `{spelled(one)}` never hold at once"
    return None


def _left_out(node: Any) -> str | None:  # noqa: ANN401 - the parser has no types
    """Find `a unless b` where b holds whenever a does."""
    if _has_matching(node):
        return None
    left, right = _passed(node.lhs), _passed(node.rhs)
    covers = left is not None and right is not None and left[0] == right[0] and left[1].is_within(right[1])
    if covers or bare(node.lhs).prettify() == bare(node.rhs).prettify():
        return f"`unless` leaves out all that `{spelled(bare(node.lhs))}` finds"
    return None


def is_always(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether an expression certainly has a result at every instant."""
    if constant(node) is not None:
        return True
    node = bare(node)
    match node:
        case promql.Call():
            if node.func.name in {"absent", "absent_over_time"}:
                return is_never(node.args[0]) is not None
            vectors = [one for one in node.args if not isinstance(one, promql.StringLiteral)]
            return node.func.name in _NONE_IS_SOMETHING or (bool(vectors) and all(map(is_always, vectors)))
        case promql.AggregateExpr() | promql.UnaryExpr():
            return is_always(node.expr)
        case promql.BinaryExpr() if str(node.op) == "or":
            return is_always(node.lhs) or is_always(node.rhs)
        case promql.BinaryExpr() if str(node.op) in COMPARISONS and not _is_bool(node):
            return passes_all(node) and is_always(node.lhs) and is_always(node.rhs)
        case promql.BinaryExpr() if str(node.op) not in {*COMPARISONS, "and", "unless"} or _is_bool(node):
            is_plain = constant(node.lhs) is not None or constant(node.rhs) is not None
            # Two vectors need equal labels as well.
            return is_plain and is_always(node.lhs) and is_always(node.rhs)
    return False


def _is_bool(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    return bool(node.modifier is not None and node.modifier.return_bool)
