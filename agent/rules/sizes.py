"""Sizes of faults for each kind of expression, and how long a rule must see a fault of each size.

A threshold does not say how large a fault will be: 5 % errors or all of them. So each shape has a few sizes of fault.
Before the fault nothing is bad. Only a value that falls below its threshold starts at twice the threshold, or at its
best value where that is known.

A share has a largest value, 100 %. A rate, an increase or a mean has none: it may pass any threshold within one
scrape, or only once the whole range is bad. So `reach` has the least and the most that a fault must show.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from alertdrill.agent.rules.shape import Kind, Levels, Shape, bad_seconds
from alertdrill.agent.rules.timing import Timing

_SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
_ABOVE = (1.1, 1.5, 2.0)
_BELOW = (0.9, 0.5, 0.0)
_RISES = {">", ">="}
# Series of 0 and 1 by the conventions of exporters.
_UP = re.compile(r"^(up|probe_success|.*_up)$")
_MEASURED = re.compile(r"_(sum|seconds|bytes|joules|meters|grams)(_total|_sum)?$")
_FAILURES = re.compile(r"err|fail|drop|reject|time_?out|timed_out|abort|exception|denied|lost|retr|5xx|invalid|discard")
_Span = tuple[float, float]


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


@dataclass(frozen=True)
class Reach:
    """What a condition needs of a fault that it can see: the least and the most, in seconds.

    Where both are equal, it is what the largest fault needs.
    """

    text: str
    bad: _Span
    lingers: _Span


def sizes(shape: Shape) -> tuple[Size, ...]:
    """Return the sizes of fault for a single comparison, the smallest first; empty if none is known."""
    return tuple(_SIZES[shape.kind](shape)) if shape.kind in _SIZES else ()


def formula(shape: Shape) -> str:
    """Return the formula of how much of the range must be bad; e is the size of the fault: a share, a rate or a level."""
    width, threshold = f"{shape.range_seconds:g} s", f"{shape.threshold:.4g}"
    if shape.kind in {"any", "all"} or threshold == "0":
        return "one sample does" if shape.kind == "any" else f"all of the {width}" if shape.kind == "all" else ""
    if shape.comparison in _RISES:
        of = f" (1 - {shape.quantile:g})" if shape.kind == "quantile" else f" {threshold}"
        return f"must be bad = {width} *{of} / e"
    if shape.kind in {"ratio", "quantile"} and shape.threshold < 1:
        return f"must be bad = {width} * (1 - {threshold}) / e"
    if _has_best(shape):
        return f"must be bad = {width} * (1 - {threshold}) / (1 - e)"
    return f"must be bad = {width} * {threshold} / (2 * {threshold} - e)"


def reach(shape: Shape, timing: Timing) -> Reach | None:
    """Return what a condition needs of the faults that it can see; None if that is not known."""
    if shape.parts:
        return _joined(shape, timing)
    return _REACHES[shape.kind](shape, timing) if shape.kind in _REACHES else None


def is_share(shape: Shape) -> bool:
    """Return whether a ratio is a share of all, which 100 % is the most of; a mean such as seconds a call has no most."""
    if shape.kind != "ratio" or shape.bad is None or shape.all is None or not 0 <= shape.threshold < 1:
        return False
    measured = _MEASURED.search(shape.bad.metric)
    return measured is None or shape.bad.metric == shape.all.metric or _MEASURED.search(shape.all.metric) is not None


def keeps_what_happened(shape: Shape) -> bool:
    """Return whether no event is lost between two scrapes: a counter keeps them all."""
    return shape.kind in {"rate", "ratio", "quantile"}


def _joined(shape: Shape, timing: Timing) -> Reach | None:
    first, *others = found = [reach(part, timing) for part in shape.parts]
    if shape.kind == "unless":
        # The other side may end the alert, or hold it back, whatever the fault does.
        if first is None:
            return None
        # The other side may also go without a mark.
        return Reach(first.text, (0.0, max(first.bad[1], timing.lookback)), (0.0, first.lingers[1]))
    if first is None or any(one is None for one in others):
        return None
    known = [one for one in found if one is not None]
    text = "; ".join(dict.fromkeys(one.text for one in known if one.text))
    bad, lingers = [one.bad for one in known], [one.lingers for one in known]
    if shape.kind == "either":
        # Which side the fault is in is not known.
        return Reach(text, _hull(bad), _hull(lingers))
    soonest = max(0.0 if _may_hold_before(part) else one[0] for part, one in zip(shape.parts, bad, strict=True))
    ends = _hull(lingers)
    if _is_one_fault(shape):
        ends = ends[0], min(one[1] for one in lingers)
    return Reach(text, (soonest, max(one[1] for one in bad)), ends)


def _hull(spans: list[_Span]) -> _Span:
    return min(one[0] for one in spans), max(one[1] for one in spans)


def _may_hold_before(shape: Shape) -> bool:
    """Return whether a side of `and` may be a guard and not a symptom: a guard holds long before the fault."""
    return not all(leaf.kind in {"ratio", "quantile"} and leaf.comparison in _RISES for leaf in shape.leaves)


def _is_one_fault(shape: Shape) -> bool:
    """Return whether all sides look at the same events, so that the first side to end ends the alert."""
    return len({leaf.bad for leaf in map(_without_range, shape.leaves)}) == 1 and not any(
        map(_may_hold_before, shape.parts)
    )


def _without_range(shape: Shape) -> Shape:
    return shape if shape.bad is None else replace(shape, bad=replace(shape.bad, range_seconds=None))


def _at_once_reach(_: Shape, __: Timing) -> Reach:
    return Reach("", (0.0, 0.0), (0.0, 0.0))


def _vanished(_: Shape, timing: Timing) -> Reach:
    # A failed scrape marks its series as gone, the end of a target about two scrapes later, and nothing at all where
    # the samples have timestamps of their own: then the newest one counts until it is too old.
    latest = max(timing.lookback - timing.scrape, 1.1 * timing.scrape)
    return Reach(
        f"gone at the next scrape, or only {timing.lookback:g} s after the last sample", (0.0, latest), (0.0, 0.0)
    )


def _any_reach(shape: Shape, _: Timing) -> Reach:
    return Reach("one sample", (0.0, 0.0), (shape.range_seconds, shape.range_seconds))


def _all_reach(shape: Shape, _: Timing) -> Reach:
    return Reach("every sample of the range", (shape.range_seconds, shape.range_seconds), (0.0, 0.0))


def _age_reach(shape: Shape, _: Timing) -> Reach | None:
    if shape.comparison not in _RISES or shape.threshold < 0:
        return None
    return Reach(
        "counted from when it last happened, which may be before the fault", (0.0, shape.threshold), (0.0, 0.0)
    )


def _level_reach(shape: Shape, timing: Timing) -> Reach | None:
    width = shape.range_seconds
    if shape.threshold < 0 or (shape.threshold == 0 and shape.comparison in {">=", "<"}):
        return None
    if shape.comparison in _RISES or shape.comparison == "!=":
        if shape.threshold == 0:
            return Reach("any increase", (0.0, 0.0), (width, width))
        return Reach("0 s if it jumps past the threshold, all if it is just above", (0.0, width), (0.0, width))
    if shape.threshold == 0:
        text = "counted from the last one, which may be before the fault"
        return Reach(text, (0.0, width), (0.0, 0.0))
    if _has_best(shape):
        return _sampled_reach(shape, timing)
    return Reach("the better it was before, the more", (0.0, width), (0.0, width))


def _has_best(shape: Shape) -> bool:
    """Return whether it is a mean whose best value is 1, and that falls."""
    name = shape.bad.metric if shape.bad is not None else ""
    falls = shape.kind == "mean" and shape.comparison not in _RISES
    return falls and shape.function == "avg_over_time" and 0 < shape.threshold <= 1 and _UP.match(name) is not None


def _sampled_reach(shape: Shape, timing: Timing) -> Reach:
    """Count the samples: of n in the range, so many must be 0 that the mean of the others is below the threshold."""
    # Prometheus 2 counts a sample at the very beginning of the range, Prometheus 3 does not.
    counts = [max(math.floor(shape.range_seconds / timing.scrape), 1) + more for more in (0, 1)]
    share = round(1 - shape.threshold, 12)
    # A mean that should equal the threshold may be computed as a little less.
    enough = [max(math.ceil(round(n * share, 9)), 1) for n in counts]
    certain = [math.floor(round(n * share, 9)) + 1 for n in counts]
    scrape, width = timing.scrape, shape.range_seconds
    latest = (max(certain) - 1) * scrape if enough == certain else width
    good = max(n - few + 1 for n, few in zip(counts, enough, strict=True)) * scrape
    return Reach(
        f"{min(enough)} of {min(counts)} samples: from 1 down to 0",
        (min(enough) * scrape, latest),
        (0.0, max(good, width)),
    )


def _ratio_reach(shape: Shape, timing: Timing) -> Reach | None:
    if not is_share(shape) or (shape.threshold == 0 and shape.comparison not in _RISES):
        return _level_reach(shape, timing)
    found = _largest(shape, timing)
    width, rises = shape.range_seconds, shape.comparison in _RISES
    if found is None or (rises and _is_part(shape)):
        return found
    # It may have been anything before it falls, and above 1 if it is not a share.
    most = found.bad[1] if rises or _is_part(shape) else width
    text = found.text if rises else f"the better it was before, the more; {found.text} from 100%"
    return Reach(text, (0.0, most), (width - most, width))


def _is_part(shape: Shape) -> bool:
    """Return whether the numerator counts a part of the denominator: it has more matchers, or the name of failures."""
    if shape.bad is None or shape.all is None:
        return False
    is_same = shape.bad.metric == shape.all.metric and set(shape.all.matchers) <= set(shape.bad.matchers)
    return is_same or _FAILURES.search(shape.bad.metric) is not None


def _largest(shape: Shape, _: Timing) -> Reach | None:
    """Return what the largest of some sizes needs."""
    reached = [size for size in sizes(shape) if size.need is not None]
    if not reached or reached[-1].need is None:
        return None
    need = reached[-1].need
    return Reach(reached[-1].text, (need.bad_seconds,) * 2, (need.lingers_seconds,) * 2)


def _need(shape: Shape, levels: Levels) -> Need | None:
    needed = bad_seconds(shape, levels)
    # Without a minus before a zero.
    return None if needed is None else Need(abs(needed), shape.range_seconds - needed)


def _any(shape: Shape) -> Iterator[Size]:
    yield Size("one sample", Need(0.0, shape.range_seconds))


def _all(shape: Shape) -> Iterator[Size]:
    yield Size("every sample of the range", Need(shape.range_seconds, 0.0))


def _level(shape: Shape) -> Iterator[Size]:
    """A rate or a mean beside a number."""
    threshold = shape.threshold
    if shape.comparison in _RISES:
        if threshold == 0:
            yield Size("any increase", _need(shape, Levels(0.0, 1.0)))
        elif threshold > 0:
            for factor in _ABOVE:
                yield Size(f"{factor:g} times the threshold", _need(shape, Levels(0.0, factor * threshold)))
    elif threshold == 0:
        yield Size("nothing is counted", _need(shape, Levels(1.0, 0.0)))
    elif threshold > 0:
        yield from _fallen(shape)


def _fallen(shape: Shape) -> Iterator[Size]:
    has_best = _has_best(shape)
    before = 1.0 if has_best else 2 * shape.threshold
    for factor in (0.0,) if has_best else _BELOW:
        size = _need(shape, Levels(before, factor * shape.threshold))
        yield Size("from 1 down to 0" if has_best else f"from 2 down to {factor:g} times the threshold", size)


def _ratio(shape: Shape) -> Iterator[Size]:
    if not is_share(shape):
        yield from _level(shape)
        return
    rises = shape.comparison in _RISES
    for share in _SHARES:
        levels = Levels(0.0, share) if rises else Levels(1.0, 1.0 - share)
        yield Size(f"{share:.0%} {'of all' if rises else 'missing'}", _need(shape, levels))


def _quantile(shape: Shape) -> Iterator[Size]:
    rises = shape.comparison in _RISES
    for share in _SHARES:
        levels = Levels(0.0, share) if rises else Levels(1.0, 1.0 - share)
        side = "above" if rises else "below"
        bound = "the largest bucket" if math.isinf(shape.bound) else f"{shape.bound:g}"
        yield Size(f"{share:.0%} {side} {bound}", _need(shape, levels))


_SIZES: dict[Kind, Callable[[Shape], Iterator[Size]]] = {
    "any": _any,
    "all": _all,
    "rate": _level,
    "mean": _level,
    "ratio": _ratio,
    "quantile": _quantile,
}
_REACHES: dict[Kind, Callable[[Shape, Timing], Reach | None]] = {
    "gauge": _at_once_reach,
    "gauges": _at_once_reach,
    "up": _at_once_reach,
    "absent": _vanished,
    "any": _any_reach,
    "all": _all_reach,
    "age": _age_reach,
    "rate": _level_reach,
    "mean": _level_reach,
    "ratio": _ratio_reach,
    "quantile": _largest,
}
