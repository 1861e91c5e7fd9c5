"""What a rule's expression is made of: its comparison, its selectors, and the operators that pair them.

From these follow the queries that explain a silent alert: each part alone, and each selector that finds nothing with
one of its matchers left out.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any

import promql_parser as promql

from alertdrill.units.duration import format_duration

_MATCH = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_SETS = {"and", "or", "unless"}


@dataclass(frozen=True)
class LabelMatcher:
    """One matcher of a selector: `label op value`."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        """Spell it as PromQL does."""
        return f"{self.label}{self.op}{json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True)
class Selector:
    """Series by name and matchers; `range_seconds` is None where the newest sample alone is looked at."""

    metric: str
    matchers: tuple[LabelMatcher, ...]
    offset_seconds: float
    range_seconds: float | None

    def __str__(self) -> str:
        """Spell it as PromQL does, without its range."""
        inside = ", ".join(map(str, self.matchers))
        braces = f"{{{inside}}}" if inside or not self.metric else ""
        offset = f" offset {format_duration(timedelta(seconds=self.offset_seconds))}" if self.offset_seconds else ""
        return self.metric + braces + offset

    def without(self, matcher: LabelMatcher) -> Selector:
        """Leave one matcher out."""
        kept = tuple(other for other in self.matchers if other is not matcher)
        return replace(self, matchers=kept)

    @property
    def loosened(self) -> tuple[str, ...]:
        """Spell what explains that it finds nothing: all of its metric, and itself without each of its matchers."""
        if not self.metric or not self.matchers:
            return ()
        return (str(self.all_of_metric), *(str(self.without(matcher)) for matcher in self.matchers))

    @property
    def all_of_metric(self) -> Selector:
        """Every series of the metric."""
        return replace(self, matchers=())


@dataclass(frozen=True)
class Pairing:
    """A binary operator between two vectors; `on` is None where all labels but those of `ignoring` must be equal."""

    text: str
    op: str
    lhs: str
    rhs: str
    on: tuple[str, ...] | None
    ignoring: tuple[str, ...]


class Anatomy:
    """The parts of an expression; raises ValueError when the parser cannot read it."""

    def __init__(self, expr: str) -> None:
        self.text = expr
        self._tree = promql.parse(expr)

    @cached_property
    def condition(self) -> Condition | None:
        """The value and the threshold, where the expression is a comparison with a number."""
        return split(self.text)

    @cached_property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector, in the order of the text, each once."""
        return selectors_of(self._tree)

    @cached_property
    def required(self) -> tuple[Selector, ...]:
        """Every selector without which there is no result: not those that are one of two ways, or take away."""
        return tuple(dict.fromkeys(_required(self._tree)))

    @cached_property
    def pairings(self) -> tuple[Pairing, ...]:
        """Every arithmetic or comparing operator between two vectors, the outermost first."""
        return tuple(dict.fromkeys(_pairings(self._tree)))

    @cached_property
    def clauses(self) -> tuple[str, ...]:
        """Every condition that must hold at once, where `and` joins several; nothing else."""
        found = tuple(dict.fromkeys(_clauses(self._tree)))
        return found if len(found) > 1 else ()

    @cached_property
    def queries(self) -> tuple[str, ...]:
        """What to evaluate so that the rule's silence can be explained; the whole expression comes first."""
        asked = [self.text]
        if self.condition is not None:
            asked.append(self.condition.value_expr)
        for clause in self.clauses:
            condition = split(clause)
            asked += [clause, condition.value_expr] if condition else [clause]
        for pairing in self.pairings:
            asked += [pairing.text, pairing.lhs, pairing.rhs]
        asked += map(str, self.selectors)
        return tuple(dict.fromkeys(asked))


@lru_cache(maxsize=256)
def anatomy(expr: str) -> Anatomy | None:
    """Take an expression apart; None when the parser cannot read it."""
    try:
        return Anatomy(expr)
    except ValueError:
        return None


def selectors_of(node: Any) -> tuple[Selector, ...]:  # noqa: ANN401 - the parser has no types
    """List the selectors below a node of the parser, each once."""
    return tuple(dict.fromkeys(_selectors(node)))


def _children(node: Any) -> Iterator[Any]:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.BinaryExpr():
            yield from (node.lhs, node.rhs)
        case promql.Call():
            yield from node.args
        case promql.AggregateExpr():
            yield from (part for part in (node.param, node.expr) if part is not None)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield node.expr


def _required(node: Any) -> Iterator[Selector]:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.BinaryExpr() if str(node.op) == "or":
            return
        case promql.BinaryExpr() if str(node.op) == "unless":
            yield from _required(node.lhs)
        case promql.Call() if node.func.name.startswith("absent"):
            return
        case promql.VectorSelector() | promql.MatrixSelector():
            yield from _selectors(node)
        case _:
            for child in _children(node):
                yield from _required(child)


def _selectors(node: Any) -> Iterator[Selector]:  # noqa: ANN401 - the parser has no types
    if isinstance(node, promql.VectorSelector):
        yield _selector(node, None)
    elif isinstance(node, promql.MatrixSelector):
        yield _selector(node.vector_selector, node.range.total_seconds())
    for child in _children(node):
        yield from _selectors(child)


def _selector(node: Any, range_seconds: float | None) -> Selector:  # noqa: ANN401 - the parser has no types
    found = [LabelMatcher(m.name, _MATCH[str(m.op).removeprefix("MatchOp.")], m.value) for m in node.matchers.matchers]
    named = [m for m in found if m.label == "__name__" and m.op == "="]
    metric = node.name or (named[0].value if named else "")
    matchers = tuple(m for m in found if m not in named or not metric)
    return Selector(metric, matchers, node.offset.total_seconds() if node.offset else 0.0, range_seconds)


def _pairings(node: Any) -> Iterator[Pairing]:  # noqa: ANN401 - the parser has no types
    if (
        isinstance(node, promql.BinaryExpr)
        and str(node.op) not in _SETS
        and _is_vector(node.lhs)
        and _is_vector(node.rhs)
    ):
        on, ignoring = _matching(node.modifier)
        yield Pairing(node.prettify(), str(node.op), node.lhs.prettify(), node.rhs.prettify(), on, ignoring)
    for child in _children(node):
        yield from _pairings(child)


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


def _matching(modifier: Any) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:  # noqa: ANN401 - no types
    matching = modifier.matching if modifier is not None else None
    if matching is None:
        return None, ()
    labels = tuple(matching.labels)
    return (labels, ()) if str(matching.type).endswith("Include") else (None, labels)


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
