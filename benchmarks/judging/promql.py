"""Evaluates the part of PromQL that the shipped rules use, on series that are functions of time.

`rate` is the slope from the first sample of a range to the last, without Prometheus's extrapolation: approximate
values are enough here.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.expression import split
from benchmarks.judging.service import Exposed

Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]


class Evaluator:
    """Evaluates expressions on some series."""

    def __init__(self, exposed: Iterable[Exposed]) -> None:
        self._by_name: defaultdict[str, list[Exposed]] = defaultdict(list)
        for one in exposed:
            self._by_name[one.labels["__name__"]].append(one)

    def at(self, node: Any, at: float) -> Vector:  # noqa: ANN401 - the parser has no types
        """Evaluate a node of the parser at an instant (Unix seconds); raises ValueError for unsupported PromQL."""
        match node:
            case promql.ParenExpr():
                return self.at(node.expr, at)
            case promql.VectorSelector():
                return {_key(one.labels): one.read(one.target.newest(at)) for one in self._selected(node)}
            case promql.Call() if node.func.name == "rate":
                return self._rates(node.args[0], at)
            case promql.Call() if node.func.name == "histogram_quantile":
                return _quantiles(float(node.args[0].val), self.at(node.args[1], at))
            case promql.BinaryExpr() if str(node.op) == "/":
                below = {_unnamed(labels): value for labels, value in self.at(node.rhs, at).items()}
                above = {_unnamed(labels): value for labels, value in self.at(node.lhs, at).items()}
                return {labels: value / below[labels] for labels, value in above.items() if labels in below}
            case promql.BinaryExpr() if (condition := split(node.prettify())) is not None:
                return {labels: value for labels, value in self.at(node.lhs, at).items() if condition.holds(value)}
        raise ValueError(node.prettify())

    def _selected(self, selector: Any) -> list[Exposed]:  # noqa: ANN401 - the parser has no types
        wanted = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        return [one for one in self._by_name[selector.name] if wanted.items() <= one.labels.items()]

    def _rates(self, ranged: Any, at: float) -> Vector:  # noqa: ANN401 - the parser has no types
        seconds = ranged.range.total_seconds()
        rates: Vector = {}
        for one in self._selected(ranged.vector_selector):
            last = one.target.newest(at)
            first = one.target.newest(at - seconds) + one.target.interval_seconds
            rates[_unnamed(_key(one.labels))] = (one.read(last) - one.read(first)) / (last - first)
        return rates


def _key(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _unnamed(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "__name__")


def _quantiles(q: float, buckets: Vector) -> Vector:
    """Return the quantile of each histogram, interpolated within its bucket as histogram_quantile does."""
    histograms: defaultdict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for labels, value in buckets.items():
        own = tuple(pair for pair in labels if pair[0] != "le")
        histograms[own].append((float(dict(labels)["le"]), value))
    return {labels: _quantile(q, sorted(counts)) for labels, counts in histograms.items()}


def _quantile(q: float, counts: list[tuple[float, float]]) -> float:
    bounds, below = [bound for bound, _ in counts], list(itertools.accumulate((c for _, c in counts), max))
    rank = q * below[-1]
    index = bisect_left(below, rank)
    if index == len(bounds) - 1:
        return bounds[-2]
    lower, before = (bounds[index - 1], below[index - 1]) if index else (0.0, 0.0)
    return lower + (bounds[index] - lower) * (rank - before) / (below[index] - before)
