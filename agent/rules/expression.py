"""The parts of a rule's expression: its comparison, its selectors, and the operators between vectors.

The queries that explain a silent alert are made of these: each part alone, and each selector without one of its
matchers.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any

import promql_parser as promql

from alertdrill.units.duration import format_duration
from alertdrill.units.promql import children, nodes, parse

_MATCH = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_SETS = {"and", "or", "unless"}
# Without these words, also in the text of a matcher, every selector must find series.
_MAY_DO_WITHOUT = re.compile(r"\b(or|unless|absent\w*)\b", re.IGNORECASE)
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
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REVERSED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


@dataclass(frozen=True)
class LabelMatcher:
    """One matcher of a selector: `label op value`."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        """Format it as PromQL."""
        label = self.label if _LABEL.fullmatch(self.label) else json.dumps(self.label, ensure_ascii=False)
        return f"{label}{self.op}{json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True)
class Selector:
    """Series by name and matchers; `range_seconds` is None for an instant vector."""

    metric: str
    matchers: tuple[LabelMatcher, ...]
    offset_seconds: float
    range_seconds: float | None

    def __str__(self) -> str:
        """Format it as PromQL, without its range."""
        name = self.metric if _NAME.fullmatch(self.metric) else ""
        # Since 3.0 a name may have any characters, in quotes and within the braces.
        quoted = [json.dumps(self.metric, ensure_ascii=False)] if self.metric and not name else []
        inside = ", ".join([*quoted, *map(str, self.matchers)])
        braces = f"{{{inside}}}" if inside or not self.metric else ""
        offset = f" offset {format_duration(timedelta(seconds=self.offset_seconds))}" if self.offset_seconds else ""
        return name + braces + offset

    def without(self, matcher: LabelMatcher) -> Selector:
        """Return it without one of its matchers."""
        kept = tuple(other for other in self.matchers if other is not matcher)
        return replace(self, matchers=kept)

    @property
    def loosened(self) -> tuple[str, ...]:
        """The selectors that explain an empty result: all of its metric, and itself without each of its matchers."""
        if not self.metric or not self.matchers:
            return ()
        return (str(self.all_of_metric), *(str(self.without(matcher)) for matcher in self.matchers))

    @property
    def all_of_metric(self) -> Selector:
        """Every series of the metric."""
        return replace(self, matchers=())


@dataclass(frozen=True)
class Pairing:
    """A binary operator between two vectors; if `on` is None, all labels except those of `ignoring` must be equal.

    `sides` are the parser's nodes of `lhs` and `rhs`.
    """

    text: str
    op: str
    lhs: str
    rhs: str
    on: tuple[str, ...] | None
    ignoring: tuple[str, ...]
    sides: tuple[Any, Any] = field(compare=False, repr=False)


@dataclass(frozen=True)
class ThresholdCondition:
    """`value comparison threshold`, with the value as PromQL."""

    value_expr: str
    comparison: str
    threshold: float

    def holds(self, value: float) -> bool:
        """Return whether the condition is true for a value."""
        return _COMPARISONS[self.comparison](value, self.threshold)


class Anatomy:
    """The parts of an expression; raises ValueError if the parser cannot read it."""

    def __init__(self, expr: str) -> None:
        self.text = expr
        self._tree = parse(expr)

    @cached_property
    def condition(self) -> ThresholdCondition | None:
        """The value and the threshold, if the expression is a comparison with a number."""
        return split(self.text)

    @cached_property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector, in the order of the text, each once."""
        return selectors_of(self._tree)

    @cached_property
    def required(self) -> tuple[Selector, ...]:
        """Every selector that must find series for a result: not the sides of `or`, and not the right side of `unless`."""
        return tuple(dict.fromkeys(_required(self._tree))) if _MAY_DO_WITHOUT.search(self.text) else self.selectors

    @cached_property
    def needed(self) -> tuple[Selector, ...]:
        """Every required selector, and those beside a constant: in `x or vector(0)` only `x` can make a difference."""
        return tuple(dict.fromkeys(_required(self._tree, or_constant=True)))

    @cached_property
    def alternatives(self) -> tuple[str, ...]:
        """The expressions of which any one is enough, if `or` joins several; else empty."""
        found = tuple(dict.fromkeys(one.prettify() for one in _alternatives(self._tree)))
        return found if len(found) > 1 else ()

    @cached_property
    def joins(self) -> tuple[Pairing, ...]:
        """Every `and` and `unless` that joins conditions; its sides are those whose labels are compared."""
        return tuple(dict.fromkeys(_joins(self._tree)))

    @cached_property
    def pairings(self) -> tuple[Pairing, ...]:
        """Every arithmetic or comparison operator between two vectors, the outermost first."""
        return tuple(dict.fromkeys(_pairings(self._tree)))

    @property
    def compared(self) -> Pairing | None:
        """The two sides of the expression, if it compares two vectors with one another."""
        tree = self._tree
        while isinstance(tree, promql.ParenExpr):
            tree = tree.expr
        outermost = self.pairings[0] if self.pairings else None
        is_whole = outermost is not None and outermost.text == tree.prettify()
        return outermost if is_whole and outermost is not None and outermost.op in _COMPARISONS else None

    @cached_property
    def clauses(self) -> tuple[str, ...]:
        """The conditions that must hold at once, if `and` joins several; else empty."""
        found = tuple(dict.fromkeys(_clauses(self._tree)))
        return found if len(found) > 1 else ()

    @cached_property
    def queries(self) -> tuple[str, ...]:
        """The queries that explain why the rule is silent; the whole expression comes first."""
        asked = [self.text]
        if self.condition is not None:
            asked.append(self.condition.value_expr)
        for deeper in (*self.clauses, *self.alternatives):
            asked += Anatomy(deeper).queries
        for pairing in self.pairings:
            asked += [pairing.text, pairing.lhs, pairing.rhs]
        asked += (side for join in self.joins for side in (join.lhs, join.rhs))
        asked += map(str, self.selectors)
        return tuple(dict.fromkeys(asked))


@lru_cache(maxsize=256)
def anatomy(expr: str) -> Anatomy | None:
    """Return the parts of an expression; None if the parser cannot read it."""
    try:
        return Anatomy(expr)
    except ValueError:
        return None


def split(expr: str) -> ThresholdCondition | None:
    """Split `value > number` or `number < value`; None if it is another expression, or if it cannot be read."""
    try:
        tree = parse(expr)
    except ValueError:
        return None
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    if not isinstance(tree, promql.BinaryExpr) or str(tree.op) not in _COMPARISONS:
        return None
    # With `bool` there is always a result, so the alert is always active.
    if tree.modifier is not None and tree.modifier.return_bool:
        return None
    comparison, left, right = str(tree.op), constant(tree.lhs), constant(tree.rhs)
    if left is None and right is not None:
        return ThresholdCondition(tree.lhs.prettify(), comparison, right)
    if left is not None and right is None:
        return ThresholdCondition(tree.rhs.prettify(), reversed_comparison(comparison), left)
    return None


def reversed_comparison(comparison: str) -> str:
    """Return the reversed comparison, as after swapping or negating both sides."""
    return _REVERSED.get(comparison, comparison)


def constant(node: Any) -> float | None:  # noqa: ANN401 - the parser has no types
    """Return the value of a node that is a number or arithmetic on numbers, such as 25 / 100; None for any other."""
    match node:
        case promql.NumberLiteral():
            return float(node.val)
        case promql.ParenExpr():
            return constant(node.expr)
        case promql.UnaryExpr():
            inner = constant(node.expr)
            return None if inner is None else -inner
        case promql.BinaryExpr() if str(node.op) in _ARITHMETIC:
            left, right = constant(node.lhs), constant(node.rhs)
            return None if left is None or right is None else _calculated(str(node.op), left, right)
    return None


def _calculated(op: str, left: float, right: float) -> float | None:
    try:
        return float(_ARITHMETIC[op](left, right))
    except (ZeroDivisionError, OverflowError):
        return None


def selectors_of(node: Any) -> tuple[Selector, ...]:  # noqa: ANN401 - the parser has no types
    """Return the selectors below a node of the parser, each once."""
    return tuple(dict.fromkeys(_selectors(node)))


def _required(node: Any, *, or_constant: bool = False) -> Iterator[Selector]:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.BinaryExpr() if str(node.op) == "or":
            sides = [node.lhs, node.rhs]
            changing = [side for side in sides if selectors_of(side)]
            if or_constant and len(changing) == 1:
                yield from _required(changing[0], or_constant=True)
        case promql.BinaryExpr() if str(node.op) == "unless":
            yield from _required(node.lhs, or_constant=or_constant)
        case promql.Call() if node.func.name.startswith("absent"):
            return
        case promql.VectorSelector() | promql.MatrixSelector():
            yield from _selectors(node)
        case _:
            for child in children(node):
                yield from _required(child, or_constant=or_constant)


def _selectors(tree: Any) -> Iterator[Selector]:  # noqa: ANN401 - the parser has no types
    for node in nodes(tree):
        if isinstance(node, promql.VectorSelector):
            yield _selector(node, None)
        elif isinstance(node, promql.MatrixSelector):
            yield _selector(node.vector_selector, node.range.total_seconds())


def _selector(node: Any, range_seconds: float | None) -> Selector:  # noqa: ANN401 - the parser has no types
    found = [LabelMatcher(m.name, _MATCH[str(m.op).removeprefix("MatchOp.")], m.value) for m in node.matchers.matchers]
    named = [m for m in found if m.label == "__name__" and m.op == "="]
    metric = node.name or (named[0].value if named else "")
    matchers = tuple(m for m in found if m not in named or not metric)
    return Selector(metric, matchers, node.offset.total_seconds() if node.offset else 0.0, range_seconds)


def _pairings(tree: Any) -> Iterator[Pairing]:  # noqa: ANN401 - the parser has no types
    for node in nodes(tree):
        if not isinstance(node, promql.BinaryExpr) or str(node.op) in _SETS:
            continue
        left, right = node.lhs, node.rhs
        if _is_vector(left) and _is_vector(right):
            on, ignoring = matching_of(node.modifier)
            yield Pairing(node.prettify(), str(node.op), left.prettify(), right.prettify(), on, ignoring, (left, right))


def _clauses(node: Any) -> Iterator[str]:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.ParenExpr():
            yield from _clauses(node.expr)
        case promql.BinaryExpr() if str(node.op) == "and":
            yield from _clauses(node.lhs)
            yield from _clauses(node.rhs)
        case promql.BinaryExpr() if str(node.op) == "unless":
            yield from _clauses(node.lhs)
        case _:
            yield node.prettify()


def _alternatives(node: Any) -> Iterator[Any]:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.ParenExpr():
            yield from _alternatives(node.expr)
        case promql.BinaryExpr() if str(node.op) == "or":
            yield from _alternatives(node.lhs)
            yield from _alternatives(node.rhs)
        case _:
            yield node


def _joins(node: Any) -> Iterator[Pairing]:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.ParenExpr():
            yield from _joins(node.expr)
        case promql.BinaryExpr() if str(node.op) in {"and", "unless"}:
            left, right = _leading(node.lhs), _leading(node.rhs)
            on, ignoring = matching_of(node.modifier)
            yield Pairing(node.prettify(), str(node.op), left.prettify(), right.prettify(), on, ignoring, (left, right))
            yield from _joins(node.lhs)


def _leading(node: Any) -> Any:  # noqa: ANN401 - the parser has no types
    """Return the condition whose labels a side of `and` or `unless` has: the first one that it joins."""
    match node:
        case promql.ParenExpr():
            return _leading(node.expr)
        case promql.BinaryExpr() if str(node.op) in {"and", "unless"}:
            return _leading(node.lhs)
    return node


def _is_vector(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.NumberLiteral() | promql.StringLiteral():
            return False
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_vector(node.expr)
        case promql.BinaryExpr():
            return _is_vector(node.lhs) or _is_vector(node.rhs)
        case promql.Call():
            return node.func.name not in {"scalar", "time", "pi"}
    return True


def matching_of(modifier: Any) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:  # noqa: ANN401 - no types
    """Return the labels of `on`, None if there is none, and those of `ignoring`."""
    matching = modifier.matching if modifier is not None else None
    if matching is None:
        return None, ()
    labels = tuple(matching.labels)
    return (labels, ()) if str(matching.type).endswith("Include") else (None, labels)
