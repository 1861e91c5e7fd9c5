"""A small part of PromQL: each expression evaluates itself on a view, and is formatted by `str`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, inf, nan
from operator import eq, ge, gt, le, lt, ne
from typing import Literal, Protocol

from simulator.extrapolation import extrapolated
from simulator.quantile import bucket_quantile
from simulator.storage import View
from simulator.values import NAME, Labels, Millis, Vector, without

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]

COMPARISONS: dict[Comparison, Callable[[float, float], bool]] = {
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


class Expression(Protocol):
    """An expression whose value is an instant vector."""

    def evaluate(self, view: View, at: Millis) -> Vector:
        """Return its value at an instant."""
        ...


class Condition(Expression, Protocol):
    """The condition of a rule: `watched` is the part with the value that people look at, `keeps` makes it true."""

    @property
    def watched(self) -> Expression: ...

    def keeps(self, value: float) -> bool: ...


@dataclass(frozen=True)
class Selector:
    """`name{label="value"}`."""

    name: str
    matchers: Labels = ()

    def evaluate(self, view: View, at: Millis) -> Vector:
        found: Vector = {}
        for labels, series in view.storage.select(self.name, self.matchers):
            value = view.instant(series, at)
            if value is not None:
                found[labels] = value
        return found

    def __str__(self) -> str:
        matchers = ",".join(f'{name}="{value}"' for name, value in self.matchers)
        return f"{self.name}{{{matchers}}}" if matchers else self.name


@dataclass(frozen=True)
class Rate:
    """`rate(selector[window])`, or `increase(…)`."""

    of: Selector
    window: Millis
    function: Literal["rate", "increase"] = "rate"

    def evaluate(self, view: View, at: Millis) -> Vector:
        found: Vector = {}
        for labels, series in view.storage.select(self.of.name, self.of.matchers):
            points = view.window(series, at, self.window)
            value = extrapolated(points, at, self.window, view.version, per_second=self.function == "rate")
            if value is not None:
                found[without(labels, NAME)] = value
        return found

    def __str__(self) -> str:
        return f"{self.function}({self.of}[{spell(self.window)}])"


@dataclass(frozen=True)
class Quantile:
    """`histogram_quantile(q, buckets)`."""

    q: float
    buckets: Rate

    def evaluate(self, view: View, at: Millis) -> Vector:
        histograms: dict[Labels, list[tuple[float, float]]] = {}
        for labels, count in self.buckets.evaluate(view, at).items():
            histograms.setdefault(without(labels, "le"), []).append((float(dict(labels)["le"]), count))
        return {labels: bucket_quantile(self.q, found, view.version) for labels, found in histograms.items()}

    def __str__(self) -> str:
        return f"histogram_quantile({self.q!r}, {self.buckets})"


@dataclass(frozen=True)
class Ratio:
    """`part / ignoring(labels) whole`, matched one to one."""

    part: Rate
    whole: Rate
    ignoring: tuple[str, ...] = ()

    def evaluate(self, view: View, at: Millis) -> Vector:
        wholes = {without(labels, *self.ignoring): value for labels, value in self.whole.evaluate(view, at).items()}
        parts = {without(labels, *self.ignoring): value for labels, value in self.part.evaluate(view, at).items()}
        return {labels: divide(part, wholes[labels]) for labels, part in parts.items() if labels in wholes}

    def __str__(self) -> str:
        matching = f" ignoring({','.join(self.ignoring)})" if self.ignoring else ""
        return f"{self.part} /{matching} {self.whole}"


@dataclass(frozen=True)
class Compare:
    """`of OP threshold`: keeps the series for which the comparison is true."""

    of: Expression
    comparison: Comparison
    threshold: float

    @property
    def watched(self) -> Expression:
        """The left side."""
        return self.of

    def keeps(self, value: float) -> bool:
        """Return whether a value passes."""
        return COMPARISONS[self.comparison](value, self.threshold)

    def evaluate(self, view: View, at: Millis) -> Vector:
        return {labels: value for labels, value in self.of.evaluate(view, at).items() if self.keeps(value)}

    def __str__(self) -> str:
        return f"{self.of} {self.comparison} {self.threshold!r}"


@dataclass(frozen=True)
class Absent:
    """`absent(selector)`."""

    of: Selector

    @property
    def watched(self) -> Expression:
        """The expression itself: it has no left side."""
        return self

    def keeps(self, value: float) -> bool:
        """Return whether a value passes."""
        return bool(value)

    def evaluate(self, view: View, at: Millis) -> Vector:
        return {} if self.of.evaluate(view, at) else {self.of.matchers: 1.0}

    def __str__(self) -> str:
        return f"absent({self.of})"


def divide(left: float, right: float) -> float:
    """Divide as IEEE 754 does."""
    if right:
        return left / right
    return copysign(inf, left) * copysign(1.0, right) if left and left == left else nan  # noqa: PLR0124 (NaN)


def spell(duration: Millis) -> str:
    """Format a duration for Prometheus."""
    return f"{duration}ms" if duration % 1000 else f"{duration // 1000}s"
