"""The figures of a load's page: its rates and latencies over time, and the distribution of latencies.

A figure of a whole second is drawn in its middle, the target rate at its start and `in_flight` at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from alertdrill.agent.report import plot
from alertdrill.probes.figures.measures import Trend
from alertdrill.probes.load.tally import LoadSecond

_ROW_PIXELS, _GAP_PIXELS, _DISTRIBUTION_PIXELS = 150, 46, 320
_TITLES = (
    "transactions sent a second, and the target",
    "their outcomes, a second",
    "latency from due time",
    "send lateness",
    "in flight",
)
_RATES = {"target": "#9ca3af", "achieved": "#3b82f6"}
_LATENESS, _IN_FLIGHT = "#0d9488", "#64748b"
_FROM_DUE, _FROM_SEND = "#8b5cf6", "#3b82f6"
# More points than a screen has columns would make the page larger and show no more.
_MOST_POINTS = 3600
_POINTS_A_DECADE = 20
_SECONDS_AXIS = {"exponentformat": "SI", "minexponent": 1, "ticksuffix": "s", "hoverformat": ".3s"}


def timeline(seconds: Sequence[LoadSecond]) -> go.Figure:
    """Draw rates, outcomes, latency, lateness and transactions in flight above one time axis."""
    total = _ROW_PIXELS * len(_TITLES) + _GAP_PIXELS * (len(_TITLES) - 1)
    drawn = make_subplots(
        rows=len(_TITLES),
        shared_xaxes=True,
        vertical_spacing=_GAP_PIXELS / total,
        subplot_titles=_TITLES,
    )
    drawn.update_annotations(x=0, xanchor="left", font_size=13, yshift=3)
    length = -(-len(seconds) // _MOST_POINTS) or 1
    _draw(drawn, [_join(seconds[at : at + length]) for at in range(0, len(seconds), length)], length)
    plot.lay_out(drawn, len(_TITLES), total, top_pixels=28)
    for row in (3, 4):
        drawn.update_yaxes(_SECONDS_AXIS, row=row)
    drawn.update_yaxes(rangemode="tozero")
    each = (
        ""
        if length == 1
        else f"; each point is for {length} s: means of rates and counts, the largest of quantiles and in flight"
    )
    drawn.update_xaxes(title_text=f"seconds since the start{each}", showticklabels=True, row=len(_TITLES))
    return drawn


def _draw(drawn: go.Figure, seconds: Sequence[LoadSecond], length: int) -> None:
    starts = [second.offset for second in seconds]
    ends = [second.offset + length for second in seconds]
    middles = [second.offset + length / 2 for second in seconds]
    sent = [second.due - second.dropped - second.lost for second in seconds]
    plot.add(drawn, _line("target", _RATES["target"], starts, [second.target_rate for second in seconds]), 1)
    plot.add(drawn, _line("achieved", _RATES["achieved"], middles, sent), 1)
    lost = {"lost": "#f59e0b"} if any(second.lost for second in seconds) else {}
    for name, colour in (plot.COUNTS | lost).items():
        counts = [getattr(second, name) for second in [*seconds, *seconds[-1:]]]
        line = {"width": 0.5, "color": colour, "shape": "hv"}
        plot.add(drawn, go.Scatter(x=[*starts, *ends[-1:]], y=counts, name=name, stackgroup="load", line=line), 2)
    for name, colour in plot.QUANTILES.items():
        latencies = [getattr(second, f"{name}_seconds") for second in seconds]
        plot.add(drawn, _line(name, colour, middles, latencies), 3)
    plot.add(drawn, _line("p99", _LATENESS, middles, [second.lateness_p99_seconds for second in seconds]), 4)
    plot.add(
        drawn,
        _line("in flight", _IN_FLIGHT, ends, [each.in_flight for each in seconds]),
        5,
    )


def _line(name: str, colour: str, at: Sequence[float], values: Sequence[float | None]) -> go.Scatter:
    # A line of one point would be invisible.
    mode = "lines" if len(at) > 1 else "markers"
    line = {"width": 1.6, "color": colour}
    return go.Scatter(x=at, y=values, name=name, mode=mode, line=line, showlegend=True)


def _join(seconds: Sequence[LoadSecond]) -> LoadSecond:
    """Join seconds into one: means of rates and counts, the largest value of everything else."""
    if len(seconds) == 1:
        return seconds[0]
    means = ("target_rate", "due", "succeeded", "failed", "dropped", "lost")
    largest = ("in_flight", "p50_seconds", "p95_seconds", "p99_seconds", "lateness_p99_seconds")
    changes: dict[str, Any] = {name: _of_those(seconds, name, fmean) for name in means}
    changes |= {name: _of_those(seconds, name, max) for name in largest}
    return replace(seconds[0], **changes)


def _of_those(seconds: Sequence[LoadSecond], name: str, figure: Callable[[list[float]], float]) -> float | None:
    values = [value for second in seconds if (value := getattr(second, name)) is not None]
    return figure(values) if values else None


def distribution(trends: Mapping[str, Trend]) -> go.Figure:
    """Draw durations over their percentiles, on an axis that gives each further nine the same width.

    The plot is Gil Tene's: https://hdrhistogram.github.io/HdrHistogram/plotFiles.html
    """
    drawn = make_subplots()
    most = max([2, *(2 * trend.count for trend in trends.values())])
    for (name, trend), colour in zip(trends.items(), (_FROM_DUE, _FROM_SEND), strict=False):
        inverses, percents = _percents(trend.count)
        values = [trend.percentile(percent) for percent in percents]
        scatter = go.Scatter(x=inverses, y=values, name=name, mode="lines", line={"width": 1.8, "color": colour})
        labels = [f"{percent:.7g}%" for percent in percents]
        plot.add(drawn, scatter.update(customdata=labels, hovertemplate="%{customdata}: %{y}"), 1)
    plot.lay_out(drawn, 1, _DISTRIBUTION_PIXELS, top_pixels=12)
    ticks = {1: "0%", 2: "50%"} | {10**nines: _nines(nines) for nines in range(1, 12) if 10**nines <= most}
    drawn.update_xaxes(type="log", tickvals=list(ticks), ticktext=list(ticks.values()), title_text="percentile")
    drawn.update_yaxes(
        _SECONDS_AXIS | {"type": "log", "dtick": 1, "minor": {"showgrid": True, "gridcolor": plot.FAINT_GRID}}
    )
    return drawn


def _percents(count: int) -> tuple[list[float], list[float]]:
    """List 1 / (1 - p) in even steps of its logarithm, and p in per cent, up to the largest sample."""
    if count == 0:
        return [], []
    # By the nearest rank, the percentile at half of the last sample's share is the largest sample.
    inverses, step = [], 0
    while (inverse := 10 ** (step / _POINTS_A_DECADE)) < 2 * count:
        inverses.append(inverse)
        step += 1
    inverses.append(2.0 * count)
    return inverses, [100 * (1 - 1 / inverse) for inverse in inverses]


def _nines(nines: int) -> str:
    return f"{100 - 100 / 10**nines:.{max(nines - 2, 0)}f}%"
