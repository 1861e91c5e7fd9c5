"""When an alert may come, computed before any drill from its rule, the intervals and Alertmanager's waits.

Times count from the start of the fault, or from its end for milestones that follow its end. Of a share they hold for
the largest fault, 100 %. A rate or a mean has no largest one: its soonest time is that of a jump far past the
threshold, its latest that of a fault just past it. The tables have the times of other sizes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import promql_parser as promql

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.classify import bare, classify
from alertdrill.agent.rules.expression import Anatomy, anatomy, constant, selectors_of
from alertdrill.agent.rules.recorded import Unfolded
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.shape import Shape
from alertdrill.agent.rules.sizes import Reach, Size, formula, keeps_what_happened, reach, sizes
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.rules.values import COMPARISONS, is_never, passes_all
from alertdrill.units.promql import children, nodes, parse

_AT_OR_SUBQUERY = re.compile(r"@|\[[^\]\"]*:")
# Their values are those of a fault that goes on as soon as their ranges hold nothing else.
_STEADY = {
    "rate", "irate", "increase", "avg_over_time", "min_over_time", "max_over_time", "sum_over_time",
    "quantile_over_time", "histogram_quantile", "clamp_min", "clamp_max", "clamp", "abs", "ceil", "floor", "round",
    "sqrt", "ln", "log2", "log10", "exp", "label_replace", "label_join", "vector", "scalar", "sort", "sort_desc",
}  # fmt: skip
# The newest sample counts for these, and only as long as it is young enough.
_NEWEST = {"gauge", "gauges", "up", "age"}


@dataclass(frozen=True)
class Leg:
    """One milestone: its soonest and latest time in seconds after the fault or its end; `latest` may be infinite."""

    name: str
    earliest: float
    latest: float
    arithmetic: str
    after_the_end: bool = False


@dataclass(frozen=True)
class SizeRow:
    """The times of a rule for one size of fault, in seconds; all but `size` are None if the rule never fires."""

    size: str
    bad_seconds: float | None = None
    pending: tuple[float, float] | None = None
    firing: tuple[float, float] | None = None
    shortest: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    """The rows of one comparison of an expression, and the formula of how much of its range must be bad."""

    formula: str
    rows: tuple[SizeRow, ...]


@dataclass(frozen=True)
class Prospect:
    """The times of a rule before any drill.

    `expr` is its expression with those of recording rules in the place of their names, and `unknown` are the names of
    recorded series whose rule is not at hand. `shortest` is the shortest fault that may fire the alert, and the shortest
    that certainly does; None if unknown.
    """

    rule: RuleRecord
    timing: Timing
    shape: Shape
    reach: Reach | None
    legs: tuple[Leg, ...]
    tables: tuple[Table, ...]
    shortest: tuple[float, float] | None
    expr: str
    unknown: tuple[str, ...] = ()


def prospect(rule: RuleRecord, timing: Timing, routes: tuple[Route, ...], unfolded: Unfolded | None = None) -> Prospect:
    """Return when the alert of a rule may come.

    `routes` is empty if Alertmanager's configuration is not known. `unfolded` is the expression with those of
    recording rules in the place of their names, if any are known.
    """
    expr = _without_idle_comparison(rule.expr if unfolded is None else unfolded.expr)
    shape, unknown = classify(expr), _recorded_names(expr) | (unfolded.left if unfolded is not None else set())
    seen = None if unknown or _has_gaps(shape, timing) or _is_of_alerts(expr) else _reach(expr, shape, timing)
    pending = _pending(timing, shape, seen, _why_unknown(expr, shape, timing, sorted(unknown)))
    legs = [pending]
    if not (_has_gaps(shape, timing) and timing.wait >= timing.lookback):
        firing = _firing(timing, pending)
        legs += [firing, *(_notified(firing, route) for route in routes)]
    resolved = _resolved(timing, seen)
    if resolved is not None:
        legs += [resolved, *(_notified_of_the_end(resolved, route) for route in routes)]
    tables = tuple(
        Table(formula(leaf), tuple(_row(timing, leaf, one) for one in sizes(leaf)))
        for leaf in shape.leaves
        if leaf.range_seconds and not unknown
    )
    shortest = None if seen is None else _shortest_of(timing, shape, seen)
    return Prospect(rule, timing, shape, seen, tuple(legs), tables, shortest, expr, tuple(sorted(unknown)))


def _without_idle_comparison(expr: str) -> str:
    """Return `absent(…)` for `absent(…) == 1` and the like: its only value is 1."""
    if "absent" not in expr:
        return expr
    try:
        node = bare(parse(expr))
    except ValueError:
        return expr
    if not isinstance(node, promql.BinaryExpr) or str(node.op) not in COMPARISONS or not passes_all(node):
        return expr
    inner = bare(node.lhs)
    is_absent = isinstance(inner, promql.Call) and inner.func.name.startswith("absent")
    return str(inner.prettify()) if is_absent else expr


def without_window(found: Prospect, why: str) -> Prospect:
    """Return the prospect of a rule that fires never, or whatever happens: it has no window."""
    return replace(found, reach=None, legs=(Leg("pending", 0.0, math.inf, why),), tables=(), shortest=None)


def _recorded_names(expr: str) -> set[str]:
    """Return the names that a recording rule gave, by the convention of a colon."""
    tree = anatomy(expr)
    return {one.metric for one in tree.selectors if ":" in one.metric} if tree else set()


def _has_gaps(shape: Shape, timing: Timing) -> bool:
    """Return whether the newest sample is too old to count before the next one comes."""
    return timing.scrape > timing.lookback and any(leaf.kind in _NEWEST for leaf in shape.leaves)


def _reach(expr: str, shape: Shape, timing: Timing) -> Reach | None:
    found = reach(shape, timing)
    tree = anatomy(expr)
    if tree is None:
        return None
    if found is None:
        return _steady(tree, timing)
    is_below = any(leaf.kind == "gauges" and leaf.comparison not in {">", ">="} for leaf in shape.leaves)
    if ("count" in expr and is_below) or "vector(" in expr:
        # A series that is gone counts until Prometheus knows it.
        text = f"a series that goes counts for up to {timing.lookback:g} s"
        return replace(found, text=text, bad=(found.bad[0], max(found.bad[1], timing.lookback)))
    return found


def _steady(tree: Anatomy, timing: Timing) -> Reach | None:
    """Return what a fault needs that goes on: once all ranges hold nothing else, the value is that of the fault."""
    parsed = parse(tree.text)
    if any(map(_is_exact, nodes(parsed))):
        # Whether a computed value ever is exactly that number is not known.
        return None
    comparisons = [one for one in nodes(parsed) if isinstance(one, promql.BinaryExpr) and str(one.op) in COMPARISONS]
    calls = {one.func.name for one in nodes(parsed) if isinstance(one, promql.Call)}
    is_shifted = any(one.offset_seconds for one in tree.selectors) or _AT_OR_SUBQUERY.search(tree.text)
    never_known = is_never(parsed, timing.lookback) is not None
    if (
        not comparisons
        or not calls <= _STEADY
        or _is_passing(parsed)
        or is_shifted
        or "ALERTS" in tree.text
        or never_known
    ):
        return None
    width = max((one.range_seconds or 0.0 for one in tree.selectors), default=0.0)
    if any(word in tree.text for word in ("count", "unless", "absent", "vector(")):
        width = max(width, timing.lookback)
    return Reach("all of its ranges at the most", (0.0, width), (0.0, width))


def _is_passing(tree: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether series stand beside themselves over another range, from which they differ only for a while."""
    ranges: dict[str, set[float | None]] = {}
    ahead = [tree]
    while ahead:
        node = ahead.pop()
        # How many series there are does not depend on their values.
        if isinstance(node, promql.AggregateExpr) and str(node.op) in {"count", "group"}:
            ahead += [] if isinstance(node.expr, promql.VectorSelector) else [node.expr]
        elif isinstance(node, promql.VectorSelector | promql.MatrixSelector):
            (one,) = selectors_of(node)
            ranges.setdefault(one.metric, set()).add(one.range_seconds)
        else:
            ahead += children(node)
    return any(len(found) > 1 for found in ranges.values())


def _is_exact(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether a node compares a value over a range for equality with anything but 0."""
    if not isinstance(node, promql.BinaryExpr) or str(node.op) not in {"==", "!="}:
        return False
    return {constant(node.lhs), constant(node.rhs)} != {None, 0.0} and any(
        one.range_seconds for one in selectors_of(node)
    )


def _is_of_alerts(expr: str) -> bool:
    tree = anatomy(expr)
    return tree is not None and any(one.metric.startswith("ALERTS") for one in tree.selectors)


def _why_unknown(expr: str, shape: Shape, timing: Timing, unknown: list[str]) -> str:
    if _is_of_alerts(expr):
        return "when the expression turns true is not known: it depends on other alerts"
    if unknown:
        return f"when it turns true is not known: the recording rule of {', '.join(unknown)} is not among these rules"
    if _has_gaps(shape, timing):
        gap = timing.scrape - timing.lookback
        return (
            f"its series are gone for {gap:g} s of every {timing.scrape:g} s, for a sample counts {timing.lookback:g} s"
            + (f": a `for` of {timing.for_:g} s is never over" if timing.wait >= timing.lookback else "")
        )
    return "when the expression turns true is not known: it has no closed form"


def _pending(timing: Timing, shape: Shape, seen: Reach | None, why_unknown: str) -> Leg:
    if seen is None:
        return Leg("pending", 0.0, math.inf, why_unknown)
    least, most = seen.bad
    earliest, latest = timing.condition_span(least)[0], timing.condition_span(most)[1]
    if least == most:
        of_what = f"of the {shape.range_seconds:g} s range must be bad" if shape.range_seconds else "must pass"
        why = f"{most:.4g} s {of_what} ({seen.text}): " if most else ""
    else:
        why = f"{min(seen.bad):.4g} to {max(seen.bad):.4g} s must pass ({seen.text}): "
    return Leg("pending", earliest, latest, why + _seen(timing, least, most))


def _seen(timing: Timing, least: float, most: float) -> str:
    """Return when an evaluation sees a condition that needs some seconds of a fault, as text."""
    parts = [f"{most:.4g} s"] if most else []
    latest = [*parts, f"a scrape {timing.scrape:g} s", f"an evaluation {timing.interval:g} s"]
    if timing.scrape_lag:
        latest.append(f"scrape_timeout {timing.scrape_lag:g} s of a target that hangs")
    if timing.record_lag:
        latest.append(f"recording rules {timing.record_lag:g} s")
    offset = f", all + query_offset {timing.query_offset:g} s" if timing.query_offset else ""
    soonest = f"{least:.4g} s - a scrape {timing.scrape:g} s" if least else "0 s"
    return f"{soonest} … {' + '.join(latest)}{offset}"


def _firing(timing: Timing, pending: Leg) -> Leg:
    if not timing.for_:
        return Leg("firing", pending.earliest, pending.latest, "with pending: there is no `for`")
    text = (
        f"pending + ceil(for {timing.for_:g} s / interval {timing.interval:g} s) evaluations"
        f" = pending + {timing.wait:g} s"
    )
    return Leg("firing", pending.earliest + timing.wait, pending.latest + timing.wait, text)


def _notified(firing: Leg, route: Route) -> Leg:
    """Return when a receiver is notified: of a new group after group_wait, of a known one at its next group_interval."""
    wait, interval = route.group_wait.total_seconds(), route.group_interval.total_seconds()
    text = f"firing + group_wait {wait:g} s of a new group; + 0 … group_interval {interval:g} s of a known one"
    return Leg(f"{route.receiver} notified", firing.earliest, firing.latest + max(wait, interval), text)


def _resolved(timing: Timing, seen: Reach | None) -> Leg | None:
    if seen is None:
        return None
    least, most = seen.lingers
    earliest, latest = timing.resolution_span(least)[0], timing.resolution_span(most)[1]
    much = f"{most:.4g} s" if least == most else f"{least:.4g} to {most:.4g} s"
    why = f"{much} until too little of it is left in the range: " if most else ""
    text = why + _seen(timing, least, most)
    if timing.keep:
        text += f", + keep_firing_for {timing.keep_firing_for:g} s in whole evaluations = {timing.keep:g} s"
    return Leg("resolved", earliest, latest, text, after_the_end=True)


def _notified_of_the_end(resolved: Leg, route: Route) -> Leg:
    interval = route.group_interval.total_seconds()
    text = f"resolved + 0 … group_interval {interval:g} s"
    return Leg(f"{route.receiver} notified of the end", resolved.earliest, resolved.latest + interval, text, True)


def _row(timing: Timing, shape: Shape, size: Size) -> SizeRow:
    if size.need is None:
        return SizeRow(size.text)
    needed = size.need.bad_seconds
    return SizeRow(
        size.text,
        needed,
        timing.condition_span(needed),
        timing.firing_span(needed),
        _shortest(timing, shape, (needed, needed), (size.need.lingers_seconds,) * 2),
    )


def _shortest(
    timing: Timing, shape: Shape, bad: tuple[float, float], lingers: tuple[float, float]
) -> tuple[float, float]:
    """Return the shortest fault of the largest effect that may fire it, and the one of the least that certainly does."""
    lucky = timing.shortest_fault(bad[0], lingers[1])[0]
    certain = timing.shortest_fault(bad[1], lingers[0])[1]
    if keeps_what_happened(shape) and not timing.wait:
        certain = min(certain, _counted_for_certain(timing, shape, bad[1]))
    return lucky, certain


def _counted_for_certain(timing: Timing, shape: Shape, needed: float) -> float:
    """Return the shortest fault that counters show for certain: they lose nothing between two scrapes.

    A ratio may be short of one scrape: a counter that begins at 0 is not extrapolated to the beginning of the range.
    """
    width = shape.range_seconds
    if width <= 2 * timing.scrape:
        return math.inf
    if shape.kind != "rate":
        needed *= width / (width - timing.scrape)
    # An evaluation must come while the whole fault is in the range.
    return needed if width - needed - 2 * timing.scrape >= timing.interval else math.inf


def _shortest_of(timing: Timing, shape: Shape, seen: Reach) -> tuple[float, float]:
    whole = _shortest(timing, shape, seen.bad, seen.lingers)
    if shape.kind != "both":
        return whole
    parts = [(one, found) for one in shape.parts if (found := reach(one, timing)) is not None]
    return whole[0], max([whole[1], *(_shortest_of(timing, one, found)[1] for one, found in parts)])
