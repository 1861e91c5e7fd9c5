"""Sizes of faults for each kind of expression, and how long a rule must see a fault of each size.

A threshold does not say how large a fault will be: 5 % errors or all of them. So each shape has a few sizes of fault.
Before the fault nothing is bad. Only a value that falls below its threshold starts at twice the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alertdrill.agent.rules.shape import Kind, Levels, Shape, bad_seconds

_SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
_ABOVE = (1.1, 1.5, 2.0)
_BELOW = (0.9, 0.5, 0.0)


@dataclass(frozen=True)
class Need:
    """How long a fault must show until the condition holds, and how long it holds after the fault's end."""

    bad_seconds: float
    lingers_seconds: float


@dataclass(frozen=True)
class Size:
    """One size of fault as text, and what the condition needs of it; None if it never holds."""

    text: str
    need: Need | None


def sizes(shape: Shape) -> tuple[Size, ...]:
    """Return the sizes of fault for a single comparison, the smallest first; empty if none is known."""
    return tuple(_SIZES[shape.kind](shape)) if shape.kind in _SIZES else ()


def formula(shape: Shape) -> str:
    """Return the formula of how much of the range must be bad; e is the size of the fault: a share, a rate or a level."""
    width, threshold = f"{shape.range_seconds:g} s", f"{shape.threshold:.4g}"
    if shape.kind in {"any", "all"} or threshold == "0":
        return "one sample does" if shape.kind == "any" else f"all of the {width}" if shape.kind == "all" else ""
    if shape.comparison in {">", ">="}:
        of = f" (1 - {shape.quantile:g})" if shape.kind == "quantile" else f" {threshold}"
        return f"must be bad = {width} *{of} / e"
    if shape.kind in {"ratio", "quantile"} and shape.threshold < 1:
        return f"must be bad = {width} * (1 - {threshold}) / e"
    return f"must be bad = {width} * {threshold} / (2 * {threshold} - e)"


def largest(shape: Shape) -> Size | None:
    """Return what a condition needs of the largest fault of each of its parts; None if that is not known."""
    if not shape.parts:
        reached = [size for size in sizes(shape) if size.need is not None]
        return reached[-1] if reached else None
    if shape.kind == "unless":
        return largest(shape.parts[0])
    left, right = (largest(part) for part in shape.parts)
    if left is None or right is None or left.need is None or right.need is None:
        return None
    slowest, quickest = (max, min) if shape.kind == "both" else (min, max)
    rises = slowest(left.need.bad_seconds, right.need.bad_seconds)
    lingers = quickest(left.need.lingers_seconds, right.need.lingers_seconds)
    return Size("; ".join(dict.fromkeys((left.text, right.text))), Need(rises, lingers))


def _need(shape: Shape, levels: Levels) -> Need | None:
    needed = bad_seconds(shape, levels)
    return None if needed is None else Need(needed, shape.range_seconds - needed)


def _at_once(_: Shape) -> Iterator[Size]:
    yield Size("any that a scrape shows", Need(0.0, 0.0))


def _any(shape: Shape) -> Iterator[Size]:
    yield Size("one sample", Need(0.0, shape.range_seconds))


def _all(shape: Shape) -> Iterator[Size]:
    yield Size("every sample of the range", Need(shape.range_seconds, 0.0))


def _age(shape: Shape) -> Iterator[Size]:
    if shape.comparison in {">", ">="} and shape.threshold >= 0:
        yield Size("it does not happen again", Need(shape.threshold, 0.0))


def _level(shape: Shape) -> Iterator[Size]:
    """A rate or a mean beside a number."""
    threshold = shape.threshold
    if shape.comparison in {">", ">="}:
        if threshold == 0:
            yield Size("any increase", _need(shape, Levels(0.0, 1.0)))
        elif threshold > 0:
            for factor in _ABOVE:
                yield Size(f"{factor:g} times the threshold", _need(shape, Levels(0.0, factor * threshold)))
    elif threshold == 0:
        yield Size("nothing is counted", _need(shape, Levels(1.0, 0.0)))
    elif threshold > 0:
        for factor in _BELOW:
            size = _need(shape, Levels(2 * threshold, factor * threshold))
            yield Size(f"from 2 down to {factor:g} times the threshold", size)


def _ratio(shape: Shape) -> Iterator[Size]:
    if shape.threshold >= 1 or shape.threshold < 0:
        yield from _level(shape)
        return
    rises = shape.comparison in {">", ">="}
    for share in _SHARES:
        levels = Levels(0.0, share) if rises else Levels(1.0, 1.0 - share)
        yield Size(f"{share:.0%} {'of all' if rises else 'missing'}", _need(shape, levels))


def _quantile(shape: Shape) -> Iterator[Size]:
    rises = shape.comparison in {">", ">="}
    for share in _SHARES:
        levels = Levels(0.0, share) if rises else Levels(1.0, 1.0 - share)
        side = "above" if rises else "below"
        bound = "the largest bucket" if math.isinf(shape.bound) else f"{shape.bound:g}"
        yield Size(f"{share:.0%} {side} {bound}", _need(shape, levels))


_SIZES: dict[Kind, Callable[[Shape], Iterator[Size]]] = {
    "gauge": _at_once,
    "gauges": _at_once,
    "up": _at_once,
    "absent": _at_once,
    "any": _any,
    "all": _all,
    "age": _age,
    "rate": _level,
    "mean": _level,
    "ratio": _ratio,
    "quantile": _quantile,
}
