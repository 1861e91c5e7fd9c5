"""How a fault began to show: the first scrape with it, and how many seconds of the range had to be bad.

The rates before and during the fault are read from the recorded counters. Rates vary, so the bad part of the range is
computed for the lowest and the highest rate of several stretches.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise, product

from alertdrill.agent.recording.records import PartRecord, SeriesRecord, TargetRecord, WatchedRecord
from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.shape import Levels, Shape, bad_seconds_span
from alertdrill.agent.verdict.evaluations import RuleEvaluations, instants, part, value_at

_STRETCHES = 3
# The kinds of expression whose onset can be read from recorded series.
_KNOWN = {"gauge", "up", "absent", "rate", "ratio", "quantile"}
_Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Onset:
    """How a fault began to show in the series of one alert; instants in Unix seconds, lengths in seconds.

    `first_bad_at` is the first scrape that showed the fault. `bad_seconds` is the least and the most of the range that
    had to be bad; None if there is no formula for the expression.
    """

    shape: Shape
    first_bad_at: float | None
    bad_seconds: tuple[float, float] | None
    levels: tuple[Levels, ...] = ()


def onset(evaluations: RuleEvaluations, labels: dict[str, str], fault_at: float, healed_at: float) -> Onset:
    """Return the onset for an alert; `labels` are those of the expression's result."""
    record, targets = evaluations.record, _targets_of(evaluations.targets, labels)
    shape = classify(record.parts[0].expr) if record.parts else classify("")
    if shape.bad is None or shape.kind not in _KNOWN:
        return Onset(shape, None, None)
    if shape.kind in {"up", "absent"}:
        return Onset(shape, _first_failed_scrape(targets, fault_at), (0.0, 0.0))
    if shape.kind == "gauge":
        return Onset(shape, _scrape_before(targets, _first_crossing(record, labels, fault_at)), (0.0, 0.0))
    return _of_rates(record, shape, labels, (fault_at, healed_at), targets)


def _of_rates(
    record: WatchedRecord,
    shape: Shape,
    labels: dict[str, str],
    fault: tuple[float, float],
    targets: list[TargetRecord],
) -> Onset:
    bad, every = _counters(record, shape, labels)
    bad_before, bad_during = rates(bad, None, fault[0]), rates(bad, fault[0], fault[1])
    all_before, all_during = [1.0], [1.0]
    if every is not None:
        all_before, all_during = rates(every, None, fault[0]), rates(every, fault[0], fault[1])
    if not (bad_before and bad_during and all_before and all_during):
        return Onset(shape, None, None)
    first = _first_bad(bad, fault[0], (bad_before, bad_during))
    histories = _good_seconds(every or bad, shape.range_seconds, first or fault[0], all_before if every else bad_before)
    levels = tuple(
        Levels(*one)
        for one in product(_extremes(bad_before), _extremes(bad_during), _extremes(all_before), _extremes(all_during))
    )
    spans = [bad_seconds_span(shape, one, good) for one in levels for good in histories]
    reached = [span for span in spans if span is not None]
    needed = (min(least for least, _ in reached), max(most for _, most in reached)) if reached else None
    return Onset(shape, _scrape_before(targets, first), needed, levels)


def _good_seconds(counter: _Points, range_seconds: float, until: float, before: list[float]) -> tuple[float, float]:
    """Return how many seconds of a range that ends at an instant are filled with events from before the fault.

    Events from before the recording may lie in the range or long before it: returns the least and the most.
    """
    inside = [value for at, value in counter if until - range_seconds <= at <= until]
    usual = sum(before) / len(before)
    since = until - counter[0][0]
    recorded = min((inside[-1] - inside[0]) / usual if usual > 0 and inside else since, since)
    return recorded, recorded + (counter[0][1] / usual if usual > 0 else range_seconds)


def _extremes(rates: list[float]) -> tuple[float, ...]:
    return tuple(dict.fromkeys((min(rates), max(rates))))


def _counters(record: WatchedRecord, shape: Shape, labels: dict[str, str]) -> tuple[_Points, _Points | None]:
    """Return the counter of bad events and that of all events, summed over the series of the alert."""
    assert shape.bad is not None  # noqa: S101 - the caller has checked it
    if shape.kind != "quantile":
        counted = [_sum(record, _agreeing(part(record, str(one)), labels)) for one in (shape.bad, shape.all) if one]
        return counted[0], counted[1] if shape.all is not None else None
    by_bound = _buckets(record, part(record, str(shape.bad)), labels)
    bounds = sorted(by_bound)
    if not by_bound or not by_bound[bounds[-1]]:
        return [], None
    every = by_bound[bounds[-1]]
    return _above(by_bound, bounds, shape.bound, every), every


def _buckets(record: WatchedRecord, found: PartRecord | None, labels: dict[str, str]) -> dict[float, _Points]:
    """Sum the buckets of a histogram that agree with an alert's labels; keyed by bound."""
    mine = _agreeing(found, labels)
    bounds = {bound for series in mine if (bound := _bound(series)) is not None}
    return {bound: _sum(record, [series for series in mine if _bound(series) == bound]) for bound in bounds}


def _above(by_bound: dict[float, _Points], bounds: list[float], bound: float, every: _Points) -> _Points:
    """Return the counter of observations above a bound, interpolated as histogram_quantile does."""
    upper = bounds[min(bisect_left(bounds, bound), len(bounds) - 1)]
    lower = bounds[max(bisect_left(bounds, bound) - 1, 0)]
    share = 1.0 if upper in {bound, lower} or upper == float("inf") else (bound - lower) / (upper - lower)
    high, low = dict(by_bound[upper]), dict(by_bound[lower])
    below = {at: low.get(at, 0.0) + share * (value - low.get(at, 0.0)) for at, value in high.items()}
    return [(at, total - below[at]) for at, total in every if at in below]


def _sum(record: WatchedRecord, mine: list[SeriesRecord]) -> _Points:
    """Sum some series at each evaluation that has all of them; empty if a value is infinite or NaN."""
    points = []
    for number, at in enumerate(instants(record)):
        values = [value_at(series, number) for series in mine]
        known = [value for value in values if value is not None]
        if not all(math.isfinite(value) for value in known):
            return []
        if known and len(known) == len(values):
            points.append((at, sum(known)))
    return points


def _agreeing(found: PartRecord | None, labels: dict[str, str]) -> list[SeriesRecord]:
    """Return the series whose labels do not contradict an alert's; none if only some series were kept."""
    wanted = {name: value for name, value in labels.items() if name != "__name__"}
    all_of_them = found.series if found is not None and found.total <= len(found.series) else []
    return [one for one in all_of_them if all(one.labels.get(name, value) == value for name, value in wanted.items())]


def _bound(series: SeriesRecord) -> float | None:
    """Return the bound of a bucket; None if it is not a number: histogram_quantile ignores such a series."""
    try:
        bound = float(series.labels.get("le", ""))
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def rates(points: _Points, since: float | None, until: float) -> list[float]:
    """Return the rate in each of a few stretches between two instants; empty if the counter was reset."""
    inside = [point for point in points if (since is None or point[0] >= since) and point[0] <= until]
    if since is not None:
        # By the end of the first third, the fault shows fully.
        inside = inside[len(inside) // 3 :]
    if len(inside) < 2 or any(after[1] < before[1] for before, after in pairwise(inside)):
        return []
    size = max((len(inside) - 1) // _STRETCHES, 1)
    edges = [*inside[: size * _STRETCHES : size], inside[-1]]
    return [(b - a) / (t - s) for (s, a), (t, b) in pairwise(edges) if t > s]


def _first_bad(bad: _Points, fault_at: float, rates: tuple[list[float], list[float]]) -> float | None:
    """Return the first evaluation whose rate lies outside its range before the fault, on the side of that during it."""
    before, during = rates
    rises = sum(during) / len(during) > sum(before) / len(before)
    edge = max(before) if rises else min(before)
    # The fault may have begun in the middle of the interval, so only a little of it shows.
    left = edge + 0.1 * ((max(during) if rises else min(during)) - edge)
    for (s, a), (t, b) in pairwise(bad):
        rate = (b - a) / (t - s)
        if t > fault_at and (rate > left if rises else rate < left):
            return t
    return None


def _first_crossing(record: WatchedRecord, labels: dict[str, str], fault_at: float) -> float | None:
    whole = record.parts[0]
    mine = [series for series in whole.series if series.labels == labels]
    return next(
        (
            at
            for number, at in enumerate(instants(record))
            if at > fault_at and any(value_at(s, number) is not None for s in mine)
        ),
        None,
    )


def _scrape_before(targets: list[TargetRecord], at: float | None) -> float | None:
    """Return the newest scrape that an evaluation could see."""
    if at is None:
        return None
    newest = [t.instants[bisect_right(t.instants, at) - 1] for t in targets if t.instants and t.instants[0] <= at]
    return max(newest, default=at)


def _first_failed_scrape(targets: list[TargetRecord], fault_at: float) -> float | None:
    """Return the first scrape that failed; it may have been under way when the fault began."""
    failed = [
        at
        for target in targets
        for at, up, took in zip(target.instants, target.up, target.durations_seconds, strict=True)
        if at + took >= fault_at and not up
    ]
    return min(failed, default=None)


def _targets_of(targets: list[TargetRecord], labels: dict[str, str]) -> list[TargetRecord]:
    """Return the targets whose labels do not contradict an alert's."""
    return [
        target
        for target in targets
        if labels.get("instance", target.instance) == target.instance and labels.get("job", target.job) == target.job
    ]
