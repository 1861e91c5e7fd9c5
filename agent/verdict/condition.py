"""A rule's expression split at its comparison: a value on the left, a threshold on the right."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import promql_parser as promql

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Condition:
    """`value operator threshold`, with the value as PromQL; it holds or not for one number."""

    value_expr: str
    comparison: str
    threshold: float

    def holds(self, value: float) -> bool:
        """Tell whether the condition is true for a value."""
        return _COMPARISONS[self.comparison](value, self.threshold)


def split(expr: str) -> Condition | None:
    """Split `lhs > number`; None where the expression is of another shape or cannot be read."""
    try:
        tree = promql.parse(expr)
    except ValueError:
        return None
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    if not isinstance(tree, promql.BinaryExpr) or not isinstance(tree.rhs, promql.NumberLiteral):
        return None
    comparison = str(tree.op)
    if comparison not in _COMPARISONS:
        return None
    return Condition(tree.lhs.prettify(), comparison, tree.rhs.val)
