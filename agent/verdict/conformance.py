"""Did the rule engine do as it must? Every series of a rule, followed from the first evaluation to the last."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from alertdrill.agent.recording.records import RuleRecord, SeriesRecord
from alertdrill.agent.rules.labels import is_of
from alertdrill.agent.verdict.engine import Breach, State, Status, follow
from alertdrill.agent.verdict.evaluations import Evaluations, Tick
from alertdrill.agent.verdict.templated import apart, own_ticks
from alertdrill.agent.verdict.timeline import AlertTimeline, Sample

# Samples bear the instant of their evaluation, to the millisecond; who evaluates at another is no engine of this rule.
_OFF_THE_GRID_SECONDS = 0.010


def breaches(evaluations: Evaluations | None, rule: RuleRecord, found: Iterable[AlertTimeline]) -> list[Breach]:
    """List every evaluation after which an alert of a rule was not where the rule says, in order of time.

    Nothing is said where the rule could not be evaluated again, or where more series came of it than are kept.
    """
    whole = evaluations.record.parts[0] if evaluations is not None and evaluations.record.parts else None
    if evaluations is None or whole is None or whole.error or whole.total > len(whole.series):
        return []
    timelines = list(found)
    of_series = [
        one for series in whole.series for one in _alerts(evaluations, _of(timelines, rule, series), rule, series)
    ]
    silent = [one for one in timelines if not any(is_of(one.labels, rule, series.labels) for series in whole.series)]
    # An alert without any series should not be there at all.
    of_series += [(evaluations.ticks(None), [one]) for one in silent]
    return sorted((breach for one in of_series for breach in _follow(*one, rule)), key=lambda breach: breach.at)


def _alerts(
    evaluations: Evaluations, timelines: list[AlertTimeline], rule: RuleRecord, series: SeriesRecord
) -> list[tuple[list[Tick], list[AlertTimeline]]]:
    """List the alerts of one series, each with what every evaluation saw of it."""
    seen = evaluations.ticks(series)
    alerts = apart(timelines, rule)
    return [
        (own_ticks(seen, mine, [t for other in alerts if other is not mine for t in other]), mine) for mine in alerts
    ]


def _of(timelines: list[AlertTimeline], rule: RuleRecord, series: SeriesRecord) -> list[AlertTimeline]:
    return [one for one in timelines if is_of(one.labels, rule, series.labels)]


def _follow(seen: Sequence[Tick], stretches: list[AlertTimeline], rule: RuleRecord) -> list[Breach]:
    grid = [tick.at for tick in seen]
    observed: dict[float, Status] = {
        nearest(grid, sample.at): sample.state for one in stretches for sample in one.samples if grid
    }
    if not grid:
        return []
    astray = [
        Breach(sample.at, frozenset[Status]({"inactive"}), sample.state)
        for one in stretches
        for sample in one.samples
        if abs(nearest(grid, sample.at) - sample.at) > _OFF_THE_GRID_SECONDS
    ]
    before = [sample for one in stretches for sample in one.samples if nearest(grid, sample.at) == grid[0]]
    if not before or astray:
        return astray or follow(seen, observed, rule)
    return follow(seen[1:], observed, rule, _already_active(before[0]))


def _already_active(sample: Sample) -> set[State]:
    """Tell in which states an alert may be that was active when the record began; its activeAt is in whole seconds."""
    since = sample.at if sample.since is None else float(sample.since)
    return {State(sample.state, since), State(sample.state, min(since + 0.999, sample.at))}


def nearest(grid: Sequence[float], at: float) -> float:
    """Find the instant of a grid next to another."""
    index = bisect_left(grid, at)
    around = grid[max(index - 1, 0) : index + 1]
    return min(around, key=lambda one: abs(one - at))
