"""The figures of a load's page: its rates and latencies over time, its capacity, and the distribution of latencies.

Over time a figure of a whole second is drawn in its middle, the target rate at its start and `in_flight` at its end.
The capacity curve has the figures of a service by rate: a point for each phase, or a cross where it did not pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from alertdrill.agent.report import axis, plot
from alertdrill.agent.report.plot import Axis, Figure, Key, Line, Mark, PlotRow, Shape, Stack, Tone
from alertdrill.agent.scorecard.phase_result import PhaseResult
from alertdrill.probes.figures.measures import Trend
from alertdrill.probes.load.tally import LoadSecond

_POINTS_A_DECADE = 20
_DISTRIBUTIONS: tuple[Tone, ...] = ("violet", "blue")
_SHAPES: dict[bool, Shape] = {True: "dot", False: "cross"}
_PHASE_KEYS = (Key("passed", "grey", "dot"), Key("did not pass", "grey", "cross"))


def timeline(seconds: Sequence[LoadSecond]) -> Figure:
    """Draw rates, outcomes, latency, lateness and transactions in flight above one time axis."""
    starts = [second.offset for second in seconds]
    middles, ends = [at + 0.5 for at in starts], [at + 1 for at in starts]
    sent = [second.due - second.dropped - second.lost for second in seconds]
    target = Line("target", "grey", starts, [second.target_rate for second in seconds], is_dashed=True)
    latencies = [
        Line(name, tone, middles, [getattr(second, f"{name}_seconds") for second in seconds])
        for name, tone in plot.QUANTILES.items()
    ]
    lateness = Line("p99", "teal", middles, [second.lateness_p99_seconds for second in seconds])
    in_flight = Line("in flight", "magenta", ends, [each.in_flight for each in seconds])
    rows = [
        PlotRow("transactions sent a second, and the target", lines=[Line("achieved", "blue", middles, sent), target]),
        PlotRow("their outcomes, a second", stack=_outcomes(seconds, starts)),
        PlotRow("latency from due time", lines=latencies, unit="s"),
        PlotRow("send lateness", lines=[lateness], unit="s"),
        PlotRow("in flight", lines=[in_flight]),
    ]
    along = Axis(starts[0] if starts else 0, ends[-1] if ends else 1, "seconds since the start", "seconds")
    return Figure("timeline", rows, along)


def _outcomes(seconds: Sequence[LoadSecond], starts: Sequence[int]) -> Stack:
    lost: dict[str, Tone] = {"lost": "orange"} if any(second.lost for second in seconds) else {}
    tones = {**plot.COUNTS, **lost}
    counts = {name: [getattr(second, name) for second in seconds] for name in tones}
    return Stack(starts, starts[-1] + 1 if starts else 0, counts, tones)


def capacity(phases: Sequence[PhaseResult]) -> Figure:
    """Draw rate, latency, failures and all KPIs in per cent over the requested rate."""
    walk = sorted(phases, key=lambda one: one.rate)
    shares = [None if one.failed_share is None else 100 * one.failed_share for one in walk]
    rates = [
        _curve("achieved", "blue", walk, [one.achieved_rate for one in walk]),
        replace(_curve("asked", "grey", walk, [one.asked_rate for one in walk]), is_dashed=True),
    ]
    latencies = [
        _curve(name, tone, walk, [getattr(one, f"{name}_seconds") for one in walk])
        for name, tone in plot.QUANTILES.items()
    ]
    kpis = [
        _curve(name, plot.TONES[number % len(plot.TONES)], walk, [_value(one, name) for one in walk])
        for number, name in enumerate(_percent_kpis(walk))
    ]
    rows = [
        PlotRow("achieved rate, transactions a second", lines=rates, keys=_PHASE_KEYS),
        PlotRow("latency from due time", lines=latencies, unit="s", is_log=True),
        PlotRow("failed, per cent", lines=[_curve("failed", "red", walk, shares)], unit="%"),
        *([PlotRow("KPIs, per cent", lines=kpis, unit="%")] if kpis else []),
    ]
    return Figure("capacity", [_with_points(row, walk) for row in rows], _rates(walk))


def _curve(name: str, tone: Tone, walk: Sequence[PhaseResult], values: Sequence[float | None]) -> Line:
    return Line(name, tone, [one.rate for one in walk], values)


def _with_points(row: PlotRow, walk: Sequence[PhaseResult]) -> PlotRow:
    points = [
        Mark(line.name, line.tone, _SHAPES[one.passed], one.rate, value, f"{one.name}: {axis.short(value, row.unit)}")
        for line in row.lines
        for one, value in zip(walk, line.values, strict=True)
        if value is not None
    ]
    return replace(row, marks=points)


def _rates(walk: Sequence[PhaseResult]) -> Axis:
    first, last = (walk[0].rate, walk[-1].rate) if walk else (0.0, 1.0)
    margin = 0.04 * ((last - first) or last or 1.0)
    return Axis(first - margin, last + margin, "requested rate, transactions a second", "rate")


def _percent_kpis(phases: Sequence[PhaseResult]) -> list[str]:
    return list(dict.fromkeys(score.kpi.name for one in phases for score in one.scores if score.kpi.unit == "%"))


def _value(phase: PhaseResult, name: str) -> float | None:
    return next((score.worst_value for score in phase.scores if score.kpi.name == name), None)


def distribution(trends: Mapping[str, Trend]) -> Figure:
    """Draw durations over their percentiles, on an axis that gives each further nine the same width.

    The plot is Gil Tene's: https://hdrhistogram.github.io/HdrHistogram/plotFiles.html
    """
    end = math.log10(max([2, *(2 * trend.count for trend in trends.values())]))
    lines = []
    for (name, trend), tone in zip(trends.items(), _DISTRIBUTIONS, strict=False):
        nines = _nines(trend.count)
        values = [trend.percentile(100 * (1 - 10**-one)) for one in nines]
        lines.append(Line(name, tone, nines, values))
    ticks = {0.0: "0%", math.log10(2): "50%"} | {float(n): _percent(n) for n in range(1, 12) if n <= end}
    row = PlotRow("duration", lines=lines, unit="s", is_log=True)
    return Figure("distribution", [row], Axis(0.0, end, "percentile", "percentile", ticks))


def _nines(count: int) -> list[float]:
    """List -log10(1 - p) in even steps, up to the largest sample: 1 is the percentile 90, 2 is 99."""
    if count == 0:
        return []
    # By the nearest rank, the percentile at half of the last sample's share is the largest sample.
    last = math.log10(2 * count)
    return [*(step / _POINTS_A_DECADE for step in range(math.ceil(last * _POINTS_A_DECADE))), last]


def _percent(nines: int) -> str:
    return f"{100 - 100 / 10**nines:.{max(nines - 2, 0)}f}%"
