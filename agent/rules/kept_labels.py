"""Which labels the two sides of an operator have, as far as the expression itself proves it.

`sum by (a)` keeps only `a`; a scraped series has at least `job` and `instance`. If one side certainly has a label that
the other side certainly lacks, no series ever match, and the operator has no result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.expression import Pairing, selectors_of

_SCRAPED = frozenset({"job", "instance"})
_MAKES_LABELS = ("label_", "absent", "vector", "count_values", "info")


@dataclass(frozen=True)
class LabelSet:
    """The labels of a result: all of them (None if unknown), and those that it has at least."""

    exact: frozenset[str] | None
    at_least: frozenset[str]

    def lacks(self, label: str) -> bool:
        """Return whether it certainly does not have a label."""
        return self.exact is not None and label not in self.exact


def unpaired(pairing: Pairing) -> tuple[str, str] | None:
    """Return a label that certainly only one side has, and which side; None if there is none."""
    left, right = map(_kept, pairing.sides)
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


def _kept(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    match node:
        case promql.VectorSelector() | promql.MatrixSelector():
            return _selected(node)
        case promql.AggregateExpr():
            return _aggregated(node)
        case promql.Call() if not node.func.name.startswith(_MAKES_LABELS):
            inner = [_kept(argument) for argument in node.args]
            known = next((one for one in inner if one.exact != frozenset()), LabelSet(frozenset(), frozenset()))
            return _without(known, {"le"}) if node.func.name == "histogram_quantile" else known
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _kept(node.expr)
        case promql.BinaryExpr():
            return _joined(node)
        case promql.NumberLiteral() | promql.StringLiteral():
            return LabelSet(frozenset(), frozenset())
    return LabelSet(None, frozenset())


def _selected(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    (selector,) = selectors_of(node)
    named = {m.label for m in selector.matchers if m.op == "=" and m.value}
    # A name with a colon belongs to a recording rule, whose labels depend on its own expression.
    return LabelSet(None, frozenset(named) | (_SCRAPED if ":" not in selector.metric else frozenset()))


def _aggregated(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    if str(node.op) in {"topk", "bottomk", "limitk", "limit_ratio"}:
        return _kept(node.expr)
    if str(node.op) == "count_values":
        return LabelSet(None, frozenset())
    if node.modifier is None:
        return LabelSet(frozenset(), frozenset())
    labels = frozenset(node.modifier.labels)
    if str(node.modifier.type).endswith("By"):
        return LabelSet(labels, labels)
    return _without(_kept(node.expr), labels)


def _without(kept: LabelSet, labels: set[str] | frozenset[str]) -> LabelSet:
    return LabelSet(None if kept.exact is None else kept.exact - labels, kept.at_least - labels)


def _joined(node: Any) -> LabelSet:  # noqa: ANN401 - the parser has no types
    left, right = _kept(node.lhs), _kept(node.rhs)
    if isinstance(node.lhs, promql.NumberLiteral):
        return right
    if isinstance(node.rhs, promql.NumberLiteral) or str(node.op) in {"and", "unless"}:
        return left
    return LabelSet(None, frozenset())
