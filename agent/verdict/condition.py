"""A rule's expression split at its comparison: a value on the left, a threshold on the right."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


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
    """Split `value > number` or `number < value`; None where the expression is of another shape or cannot be read."""
    try:
        tree = promql.parse(expr)
    except ValueError:
        return None
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    if not isinstance(tree, promql.BinaryExpr) or str(tree.op) not in _COMPARISONS:
        return None
    # With `bool` the result is there either way, and so is the alert.
    if tree.modifier is not None and tree.modifier.return_bool:
        return None
    comparison, left, right = str(tree.op), number(tree.lhs), number(tree.rhs)
    if left is None and right is not None:
        return Condition(tree.lhs.prettify(), comparison, right)
    if left is not None and right is None:
        return Condition(tree.rhs.prettify(), turned(comparison), left)
    return None


def turned(comparison: str) -> str:
    """Turn a comparison round, as when both of its sides are negated or change places."""
    return _TURNED.get(comparison, comparison)


def number(node: Any) -> float | None:  # noqa: ANN401 - the parser has no types
    """Read a node of the parser that is a number, or arithmetic on numbers such as 25 / 100; None for any other."""
    match node:
        case promql.NumberLiteral():
            return float(node.val)
        case promql.ParenExpr():
            return number(node.expr)
        case promql.UnaryExpr():
            inner = number(node.expr)
            return None if inner is None else -inner
        case promql.BinaryExpr() if str(node.op) in _ARITHMETIC:
            left, right = number(node.lhs), number(node.rhs)
            return None if left is None or right is None else _calculated(str(node.op), left, right)
    return None


def _calculated(op: str, left: float, right: float) -> float | None:
    try:
        return float(_ARITHMETIC[op](left, right))
    except (ZeroDivisionError, OverflowError):
        return None
