"""The figure of the page: load, latency, each rule's own value, and the alerts, over one time axis.

The axis counts seconds after the fault.
Below the bar of each judged alert is one lane for each milestone: its lawful window as a band, and a mark where the
milestone was reached.
Plotly reads some HTML in its labels, so every text from outside is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, PartRecord, WatchedRecord
from alertdrill.agent.report import plot, words
from alertdrill.agent.report.drill import wording
from alertdrill.agent.rules.expression import split
from alertdrill.agent.verdict.delivery import is_led
from alertdrill.agent.verdict.evaluations import instants, part
from alertdrill.agent.verdict.verdict import Judgement, Milestone

_STATES = {"pending": "#f59e0b", "firing": "#dc2626"}
_VALUES = ("#0d9488", "#c026d3", "#ca8a04", "#64748b")
_MARKERS = {True: ("circle", "#059669"), False: ("x", "#dc2626"), None: ("circle-open", "#64748b")}
_NOTIFIED = {"symbol": "triangle-down", "color": "#8b5cf6", "size": 11}
_WINDOW = "rgba(16, 185, 129, 0.38)"
_FAULT = "rgba(220, 38, 38, 0.09)"
_CHART_PIXELS, _LANE_PIXELS, _GAP_PIXELS = 150, 22, 46
_LEGEND_LINES = 7
_LONGEST_LABEL = 28


@dataclass(frozen=True)
class _Lane:
    """One line of the bottom row: an alert's states, or one milestone of it."""

    alert: str
    milestone: Milestone | None = None

    @property
    def label(self) -> str:
        """Its name, escaped."""
        name = self.alert if self.milestone is None else self.milestone.name
        return escape(name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…")


@dataclass(frozen=True)
class _Row:
    """A row of the figure, and the instant at which its axis is zero."""

    drawn: go.Figure
    number: int
    fault_at: float


def figure(recording: Recording, judgement: Judgement) -> go.Figure:
    """Draw all rows above one time axis."""
    lanes = _lanes(recording, judgement)
    alerts = _alerts_with_value(recording)
    heights = [_CHART_PIXELS] * (2 + len(alerts)) + [max(_LANE_PIXELS * len(lanes), _LEGEND_LINES * 17)]
    total = sum(heights) + _GAP_PIXELS * (len(heights) - 1)
    titles = ["transactions a second", "latency from due time, seconds"]
    titles += [f"{escape(alert)}: the value of its rule" for alert in alerts]
    drawn = make_subplots(
        rows=len(heights),
        shared_xaxes=True,
        row_heights=heights,
        vertical_spacing=_GAP_PIXELS / total,
        subplot_titles=[*titles, "alerts, and the lawful window of each milestone"],
    )
    drawn.update_annotations(x=0, xanchor="left", font_size=13, yshift=3)
    _draw_load(drawn, recording, judgement.fault_at)
    for row, alert in enumerate(alerts, start=3):
        _draw_value(_Row(drawn, row, judgement.fault_at), recording, alert)
    _draw_alerts(_Row(drawn, len(heights), judgement.fault_at), recording, lanes)
    _draw_faults(drawn, recording, judgement.fault_at)
    _lay_out(_Row(drawn, len(heights), judgement.fault_at), recording, total)
    return drawn


def _lanes(recording: Recording, judgement: Judgement) -> list[_Lane]:
    lanes = []
    for verdict in judgement.verdicts:
        lanes.append(_Lane(verdict.alert))
        lanes += [_Lane(verdict.alert, milestone) for milestone in verdict.milestones if milestone.window]
    judged = {verdict.alert for verdict in judgement.verdicts}
    others = {series.labels.get("alertname", "") for series in recording.alerts} - judged
    return lanes + [_Lane(alert) for alert in sorted(others)]


def _alerts_with_value(recording: Recording) -> list[str]:
    """List the expected alerts whose rule has a recorded value."""
    return [one.alert for one in recording.drill.expect if any(_values(recording, one.alert))]


def _values(recording: Recording, alert: str) -> Iterator[tuple[WatchedRecord, PartRecord]]:
    """Yield the value of each rule of an alert that compares one with a number."""
    for record in recording.watched:
        condition = split(record.parts[0].expr) if record.alert == alert and record.parts else None
        value = part(record, condition.value_expr) if condition else None
        if value is not None and value.series:
            yield record, value


def _draw_load(drawn: go.Figure, recording: Recording, fault_at: float) -> None:
    seconds = recording.load.seconds
    at = [second.at - fault_at for second in seconds]
    for name, colour in plot.COUNTS.items():
        counts = [getattr(second, name) for second in seconds]
        line = {"width": 0.5, "color": colour, "shape": "hv"}
        plot.add(drawn, go.Scatter(x=at, y=counts, name=name, stackgroup="load", line=line), 1)
    for name, colour in plot.QUANTILES.items():
        latencies = [getattr(second, f"{name}_seconds") for second in seconds]
        plot.add(drawn, go.Scatter(x=at, y=latencies, name=name, mode="lines", line={"width": 1.6, "color": colour}), 2)


def _draw_value(on: _Row, recording: Recording, alert: str) -> None:
    recorded = [(record, series) for record, value in _values(recording, alert) for series in value.series]
    for index, (record, series) in enumerate(recorded):
        name = "value" if len(recorded) == 1 else escape(words.labels_words(series.labels)) or "value"
        at = [instant - on.fault_at for instant in instants(record)[series.first : series.first + len(series.values)]]
        line = {"width": 1.6, "color": _VALUES[index % len(_VALUES)], "shape": "hv"}
        plot.add(on.drawn, go.Scatter(x=at, y=series.values, name=name, mode="lines", line=line), on.number)
    conditions = [split(rule.expr) for rule in recording.rules if rule.alert == alert]
    for condition in dict.fromkeys(condition for condition in conditions if condition is not None):
        ends = [recording.started_at - on.fault_at, recording.ended_at - on.fault_at]
        name = f"fires at {escape(condition.comparison)} {condition.threshold:g}"
        line = {"width": 1.4, "color": "#dc2626", "dash": "dash"}
        plot.add(
            on.drawn, go.Scatter(x=ends, y=[condition.threshold] * 2, name=name, mode="lines", line=line), on.number
        )


def _draw_alerts(on: _Row, recording: Recording, lanes: list[_Lane]) -> None:
    for y, lane in enumerate(lanes):
        if lane.milestone is None:
            _draw_states(on, recording, lane.alert, y)
            _draw_notifications(on, recording, lane.alert, y)
        else:
            _draw_milestone(on, lane.milestone, y)
    for state, colour in _STATES.items():
        _key(on, state, {"symbol": "square", "color": colour, "size": 10})
    _key(on, "lawful window", {"symbol": "square", "color": _WINDOW, "size": 10})
    _key(on, "inside it", {"symbol": "circle", "color": "#059669", "size": 9})
    _key(on, "outside it", {"symbol": "x", "color": "#dc2626", "size": 9})
    _key(on, "notified: firing", _NOTIFIED)
    _key(on, "notified: resolved", _NOTIFIED | {"symbol": "triangle-down-open"})
    on.drawn.update_yaxes(
        tickvals=list(range(len(lanes))),
        ticktext=[lane.label if lane.milestone else f"<b>{lane.label}</b>" for lane in lanes],
        range=[max(len(lanes), 1) - 0.5, -0.7],
        showgrid=False,
        row=on.number,
    )


def _draw_states(on: _Row, recording: Recording, alert: str, y: int) -> None:
    interval = next((rule.interval_seconds for rule in recording.rules if rule.alert == alert), 1.0)
    for series in recording.alerts:
        if series.labels.get("alertname") != alert:
            continue
        labels = escape(words.labels_words(series.labels))
        for start, end in _stretches(series, interval):
            since, until = wording.seconds_after(on.fault_at, start), wording.seconds_after(on.fault_at, end)
            text = f"{escape(alert)} {series.state} {since} to {until}<br>{labels}"
            _bar(on, (start, end), y, _STATES[series.state], text)


def _stretches(series: AlertSamples, interval: float) -> list[tuple[float, float]]:
    """Join consecutive evaluations; the last state lasts until the next evaluation is due."""
    instants = sorted(series.instants)
    if not instants:
        return []
    gaps = [(before, after) for before, after in pairwise(instants) if after - before >= 1.5 * interval]
    starts = [instants[0], *(after for _, after in gaps)]
    ends = [*(before for before, _ in gaps), instants[-1]]
    return [(start, end + interval) for start, end in zip(starts, ends, strict=True)]


def _draw_milestone(on: _Row, milestone: Milestone, y: int) -> None:
    window = milestone.window
    if window is not None:
        text = f"lawful {wording.window_words(window, on.fault_at)}<br>{escape(window.arithmetic)}"
        _bar(on, (window.earliest, window.latest), y, _WINDOW, text)
    if milestone.at is not None:
        symbol, colour = _MARKERS[milestone.lawful]
        text = f"{escape(milestone.name)} {wording.came(milestone, on.fault_at)}"
        _point(on, (milestone.at, y), {"symbol": symbol, "color": colour, "size": 9}, text)


def _draw_notifications(on: _Row, recording: Recording, alert: str, y: int) -> None:
    for one in recording.notifications:
        if one.labels.get("alertname") != alert or not is_led(recording, one):
            continue
        text = f"{escape(one.receiver)} notified: {one.status} {wording.seconds_after(on.fault_at, one.received_at)}"
        marker = _NOTIFIED if one.status == "firing" else _NOTIFIED | {"symbol": "triangle-down-open"}
        _point(on, (one.received_at, y - 0.3), marker, text)


def _bar(on: _Row, ends: tuple[float, float], y: int, colour: str, text: str) -> None:
    # The outline keeps a window of one second visible in a drill of an hour.
    marker = {"color": colour, "line": {"color": colour, "width": 1.5}}
    base, length = ends[0] - on.fault_at, ends[1] - ends[0]
    bar = go.Bar(base=[base], x=[length], y=[y], orientation="h", width=0.6, marker=marker)
    plot.add(on.drawn, bar.update(hovertext=[text], hoverinfo="text", showlegend=False), on.number)


def _point(on: _Row, place: tuple[float, float], marker: Mapping[str, object], text: str) -> None:
    point = go.Scatter(x=[place[0] - on.fault_at], y=[place[1]], mode="markers", marker=marker)
    plot.add(on.drawn, point.update(hovertext=[text], hoverinfo="text", showlegend=False), on.number)


def _key(on: _Row, name: str, marker: Mapping[str, object]) -> None:
    """Add a line to the legend for many traces."""
    plot.add(on.drawn, go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=name), on.number)


def _draw_faults(drawn: go.Figure, recording: Recording, fault_at: float) -> None:
    for index, fault in enumerate(recording.faults):
        start, end = fault.injected_at - fault_at, fault.healed_at - fault_at
        drawn.add_vrect(x0=start, x1=end, fillcolor=_FAULT, line_width=0, layer="below", row="all", col=1)
        for at in (start, end):
            drawn.add_vline(x=at, line={"color": "#dc2626", "width": 1, "dash": "dot"}, row="all", col=1)
        kind = escape(fault.kind)
        # Begin to the left of its line and end to the right, so that a short fault keeps both apart.
        for at, text, anchor in (
            (start, f"{kind} begins {start:+.1f} s", "right"),
            (end, f"{kind} ends {end:+.1f} s", "left"),
        ):
            drawn.add_annotation(
                x=at, y=1, xref="x", yref="paper", text=text, showarrow=False, xanchor=anchor, yanchor="bottom",
                yshift=22 + 16 * index, font={"size": 12, "color": "#dc2626"}, name="fault",
            )  # fmt: skip


def _lay_out(last: _Row, recording: Recording, plot_pixels: float) -> None:
    drawn, rows, fault_at = last.drawn, last.number, last.fault_at
    plot.lay_out(drawn, rows, plot_pixels, top_pixels=44 + 16 * len(recording.faults))
    drawn.update_layout(barmode="overlay", hovermode="closest")
    ends = [recording.started_at - fault_at, recording.ended_at - fault_at]
    drawn.update_xaxes(range=ends)
    drawn.update_yaxes(rangemode="tozero", row=1)
    drawn.update_yaxes(rangemode="tozero", row=2)
    drawn.update_xaxes(title_text="seconds after the fault", showticklabels=True, row=rows)
