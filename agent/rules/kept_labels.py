"""Which labels the two sides of an operator have, as far as the expression itself proves it.

`sum by (a)` keeps only `a`; a scraped series has at least `job` and `instance`. If one side certainly has a label that
the other side certainly lacks, no series ever match, and the operator has no result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.expression import Pairing, selectors_of

_SCRAPED = frozenset({"job", "instance"})
_MAKES_LABELS = ("label_", "count_values", "info")


@dataclass(frozen=True)
class LabelSet:
    """The labels of a result: all of them (None if unknown), those that it has at least, and those taken away."""

    exact: frozenset[str] | None
    at_least: frozenset[str]
    gone: frozenset[str] = frozenset()

    def lacks(self, label: str) -> bool:
        """Return whether it certainly does not have a label."""
        return label in self.gone or (self.exact is not None and label not in self.exact)


def unpaired(pairing: Pairing, recorded: Collection[str] = ()) -> tuple[str, str] | None:
    """Return a label that certainly only one side has, and which side; None if there is none.

    The labels of series that are `recorded` are not those of a scrape.
    """
    if any(one.metric in recorded for side in pairing.sides for one in selectors_of(side)):
        return None
    left, right = map(kept, pairing.sides)
    for here, there, side in ((left, right, "left"), (right, left, "right")):
        for label in sorted(here.at_least):
            is_matched = label in pairing.on if pairing.on is not None else label not in pairing.ignoring
            if is_matched and there.lacks(label):
                return label, side
    return None


def keys(pairing: Pairing, series: Sequence[Mapping[str, str]]) -> set[frozenset[tuple[str, str]]]:
    """Return the labels by which each of some series is paired."""
    return {
        frozenset((name, value) for name, value in one.items() if value and _pairs(pairing, name)) for one in series
    }


def _pairs(pairing: Pairing, label: str) -> bool:
    if pairing.on is not None:
        return label in pairing.on
    return label != "__name__" and label not in pairing.ignoring


def kept(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    """Return the labels of an expression's result."""
    match node:
        case promql.Call() if node.func.name.startswith("absent"):
            return _of_absent(node.args[0])
        case promql.Call() if node.func.name in {"scalar", "time", "vector", "pi"}:
            return LabelSet(frozenset(), frozenset())
        case promql.VectorSelector() | promql.MatrixSelector():
            return _selected(node)
        case promql.AggregateExpr():
            return _aggregated(node)
        case promql.Call() if not node.func.name.startswith(_MAKES_LABELS):
            inner = [kept(argument) for argument in node.args]
            known = next((one for one in inner if one.exact != frozenset()), LabelSet(frozenset(), frozenset()))
            return _without(known, {"le"}) if node.func.name == "histogram_quantile" else known
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return kept(node.expr)
        case promql.BinaryExpr():
            return _joined(node)
        case promql.NumberLiteral() | promql.StringLiteral():
            return LabelSet(frozenset(), frozenset())
    return LabelSet(None, frozenset())


def _of_absent(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    """absent() takes its labels from the matchers with `=`, for there are no series."""
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    if not isinstance(node, promql.VectorSelector | promql.MatrixSelector):
        return LabelSet(frozenset(), frozenset())
    (selector,) = selectors_of(node)
    named = [m.label for m in selector.matchers if m.op == "=" and m.value]
    labels = frozenset(name for name in named if named.count(name) == 1)
    return LabelSet(labels, labels)


def _selected(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    (selector,) = selectors_of(node)
    named = {m.label for m in selector.matchers if m.op == "=" and m.value}
    # A name with a colon belongs to a recording rule, whose labels depend on its own expression.
    return LabelSet(None, frozenset(named) | (_SCRAPED if ":" not in selector.metric else frozenset()))


def _aggregated(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    if str(node.op) in {"topk", "bottomk", "limitk", "limit_ratio"}:
        return kept(node.expr)
    if str(node.op) == "count_values":
        return LabelSet(None, frozenset())
    if node.modifier is None:
        return LabelSet(frozenset(), frozenset())
    labels = frozenset(node.modifier.labels)
    if str(node.modifier.type).endswith("By"):
        return LabelSet(labels, labels)
    return _without(kept(node.expr), labels)


def _without(kept: LabelSet, labels: set[str] | frozenset[str]) -> LabelSet:
    exact = None if kept.exact is None else kept.exact - labels
    return LabelSet(exact, kept.at_least - labels, kept.gone | labels)


def _joined(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    left, right = kept(node.lhs), kept(node.rhs)
    if _is_number(node.lhs):
        return right
    if _is_number(node.rhs) or str(node.op) in {"and", "unless"}:
        return left
    if str(node.op) == "or":
        return left if left.exact is not None and left == right else LabelSet(None, frozenset())
    return _matched(node.modifier, left, right)


def _is_number(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    while isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        node = node.expr
    if isinstance(node, promql.BinaryExpr):
        return _is_number(node.lhs) and _is_number(node.rhs)
    return isinstance(node, promql.NumberLiteral) or (
        isinstance(node, promql.Call) and node.func.name in {"scalar", "time"}
    )


def _matched(modifier: Any, left: LabelSet, right: LabelSet) -> LabelSet:  # noqa: ANN401 - the parser has no types
    """Return the labels of an operator between vectors."""
    matching = modifier.matching if modifier is not None else None
    if modifier is not None and not str(modifier.card).endswith("OneToOne"):
        many = left if str(modifier.card).endswith("ManyToOne") else right
        more = frozenset(modifier.group_labels or ())
        return LabelSet(None if many.exact is None else many.exact | more, many.at_least, many.gone - more)
    if matching is None:
        exact = left.exact if left.exact is not None else right.exact
        at_least = left.at_least if exact is None else exact & (left.at_least | right.at_least)
        return LabelSet(exact, at_least, left.gone | right.gone)
    labels = frozenset(matching.labels)
    if str(matching.type).endswith("Include"):
        return LabelSet(labels, frozenset())
    return _without(left, labels)
