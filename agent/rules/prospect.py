"""When an alert may come, computed before any drill from its rule, the intervals and Alertmanager's waits.

Times count from the start of the fault, or from its end for milestones that follow its end. They hold for the largest
fault that the rule's expression can see; the tables have the times of smaller faults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.shape import Shape
from alertdrill.agent.rules.sizes import Size, formula, largest, sizes
from alertdrill.agent.rules.timing import Timing


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

    `shortest` is the shortest fault that may fire the alert, and the shortest that certainly does; None if unknown.
    """

    rule: RuleRecord
    timing: Timing
    shape: Shape
    size: Size | None
    legs: tuple[Leg, ...]
    tables: tuple[Table, ...]
    shortest: tuple[float, float] | None


def prospect(rule: RuleRecord, timing: Timing, routes: tuple[Route, ...]) -> Prospect:
    """Return when the alert of a rule may come; `routes` is empty if Alertmanager's configuration is not known."""
    shape = classify(rule.expr)
    size = largest(shape)
    pending = _pending(timing, shape, size)
    firing = _firing(timing, pending)
    legs = [pending, firing, *(_notified(firing, route) for route in routes)]
    resolved = _resolved(timing, size)
    if resolved is not None:
        legs += [resolved, *(_notified_of_the_end(resolved, route) for route in routes)]
    tables = tuple(
        Table(formula(leaf), tuple(_row(timing, one) for one in sizes(leaf)))
        for leaf in shape.leaves
        if leaf.range_seconds
    )
    return Prospect(rule, timing, shape, size, tuple(legs), tables, _shortest_of(timing, shape, size))


def _pending(timing: Timing, shape: Shape, size: Size | None) -> Leg:
    if size is None or size.need is None:
        text = "when the expression turns true is not known: it has no closed form"
        return Leg("pending", 0.0, math.inf, text)
    needed = size.need.bad_seconds
    earliest, latest = timing.condition_span(needed)
    of_what = f"of the {shape.range_seconds:g} s range must be bad" if shape.range_seconds else "must pass"
    why = f"{needed:.4g} s {of_what} ({size.text}): " if needed else ""
    return Leg("pending", earliest, latest, why + _seen(timing, needed))


def _seen(timing: Timing, needed: float) -> str:
    """Return when an evaluation sees a condition that needs some seconds of a fault, as text."""
    parts = [f"{needed:.4g} s"] if needed else []
    latest = [*parts, f"a scrape {timing.scrape:g} s", f"an evaluation {timing.interval:g} s"]
    if timing.scrape_lag:
        latest.append(f"scrape_timeout {timing.scrape_lag:g} s of a target that hangs")
    offset = f", all + query_offset {timing.query_offset:g} s" if timing.query_offset else ""
    soonest = f"{needed:.4g} s - a scrape {timing.scrape:g} s" if needed else "0 s"
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


def _resolved(timing: Timing, size: Size | None) -> Leg | None:
    if size is None or size.need is None:
        return None
    lingers = size.need.lingers_seconds
    earliest, latest = timing.resolution_span(lingers)
    why = f"{lingers:.4g} s until too little of it is left in the range: " if lingers else ""
    text = why + _seen(timing, lingers)
    if timing.keep:
        text += f", + keep_firing_for {timing.keep_firing_for:g} s in whole evaluations = {timing.keep:g} s"
    return Leg("resolved", earliest, latest, text, after_the_end=True)


def _notified_of_the_end(resolved: Leg, route: Route) -> Leg:
    interval = route.group_interval.total_seconds()
    text = f"resolved + 0 … group_interval {interval:g} s"
    return Leg(f"{route.receiver} notified of the end", resolved.earliest, resolved.latest + interval, text, True)


def _row(timing: Timing, size: Size) -> SizeRow:
    if size.need is None:
        return SizeRow(size.text)
    needed = size.need.bad_seconds
    return SizeRow(
        size.text,
        needed,
        timing.condition_span(needed),
        timing.firing_span(needed),
        _shortest(timing, size),
    )


def _shortest(timing: Timing, size: Size) -> tuple[float, float] | None:
    return None if size.need is None else timing.shortest_fault(size.need.bad_seconds, size.need.lingers_seconds)


def _shortest_of(timing: Timing, shape: Shape, size: Size | None) -> tuple[float, float] | None:
    whole = _shortest(timing, size) if size is not None else None
    if whole is None or shape.kind not in {"both", "either"}:
        return whole
    parts = [part for part in (_shortest_of(timing, one, largest(one)) for one in shape.parts) if part is not None]
    if shape.kind == "both":
        return whole[0], max(whole[1], *(certain for _, certain in parts))
    # With luck one condition begins before the other ends. A fault that certainly fires must be enough for one alone.
    return whole[0], min(certain for _, certain in parts)
