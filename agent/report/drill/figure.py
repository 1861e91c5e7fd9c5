"""The figure of the page: load, latency, each rule's own value, and the alerts, over one time axis.

The axis counts seconds after the fault.
Below the bar of each judged alert is one lane for each milestone: its lawful window as a band, and a mark where the
milestone was reached.
A lane has no more bars than a screen can show: where an alert changes more often, neighbours are drawn as one bar, whose
text has their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, PartRecord, SeriesRecord, WatchedRecord
from alertdrill.agent.report import plot, words
from alertdrill.agent.report.drill import wording
from alertdrill.agent.report.plot import Axis, Band, Bar, Figure, Key, Lane, Line, Mark, PlotRow, Shape, Stack, Tone
from alertdrill.agent.rules.expression import split
from alertdrill.agent.verdict.delivery import is_led
from alertdrill.agent.verdict.evaluations import instants, part
from alertdrill.agent.verdict.verdict import Judgement, Milestone

_STATES: dict[str, tuple[Tone, float]] = {"pending": ("orange", 0.34), "firing": ("red", 0.64)}
_MARKS: dict[bool | None, tuple[str, Tone, Shape]] = {
    True: ("inside it", "green", "check"),
    False: ("outside it", "red", "cross"),
    None: ("", "grey", "ring"),
}
_WINDOW = "lawful window"
_SHAPES: dict[str, Shape] = {"firing": "down", "resolved": "down-open"}
_KEYS = (
    *(Key(state, tone, "square") for state, (tone, _) in _STATES.items()),
    Key(_WINDOW, "window", "square"),
    *(Key(name, tone, shape) for name, tone, shape in _MARKS.values() if name),
    *(Key(f"notified: {status}", "violet", shape) for status, shape in _SHAPES.items()),
)
# Of all lanes together, and of alerts that the drill does not judge.
_MOST_BARS, _MOST_OTHERS = 400, 30
_LONGEST_NAME = 60


@dataclass(frozen=True)
class _Lane:
    """One line of the bottom row: an alert's states, or one milestone of it."""

    alert: str
    milestone: Milestone | None = None

    @property
    def drawn(self) -> Lane:
        """Its name; an alert is the head of its milestones."""
        return Lane(self.alert) if self.milestone is None else Lane(self.milestone.name, is_head=False)


@dataclass(frozen=True)
class _On:
    """The lane of an alert, the instant of the fault, and how many bars or marks of a kind it may have."""

    alert: str
    y: int
    fault_at: float
    most: int


@dataclass(frozen=True)
class _Stretch:
    """A time in one state, in seconds after the fault, and what is to be said about it."""

    start: float
    end: float
    text: str
    count: int = 1


def figure(recording: Recording, judgement: Judgement) -> Figure:
    """Draw all rows above one time axis."""
    fault_at = judgement.fault_at
    start, end = recording.started_at - fault_at, recording.ended_at - fault_at
    rows = [
        *_load(recording, fault_at),
        *(_value(recording, fault_at, alert) for alert in _alerts_with_value(recording)),
    ]
    return Figure(
        "timeline",
        [*rows, _alerts(recording, judgement)],
        Axis(start, end, "seconds after the fault", "after"),
        [_band(fault.kind, fault.injected_at - fault_at, fault.healed_at - fault_at) for fault in recording.faults],
    )


def _band(kind: str, start: float, end: float) -> Band:
    return Band(start, end, f"{words.shortened(kind, _LONGEST_NAME)} begins {start:+.1f} s, ends {end:+.1f} s")


def _load(recording: Recording, fault_at: float) -> list[PlotRow]:
    seconds = recording.load.seconds
    at = [second.at - fault_at for second in seconds]
    counts = {name: [getattr(second, name) for second in seconds] for name in plot.COUNTS}
    stack = Stack(at, at[-1] + 1 if at else 0.0, counts, plot.COUNTS)
    latencies = [
        Line(name, tone, at, [getattr(second, f"{name}_seconds") for second in seconds])
        for name, tone in plot.QUANTILES.items()
    ]
    return [PlotRow("transactions a second", stack=stack), PlotRow("latency from due time", lines=latencies, unit="s")]


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


def _value(recording: Recording, fault_at: float, alert: str) -> PlotRow:
    recorded = [(record, series) for record, value in _values(recording, alert) for series in value.series]
    conditions = [split(rule.expr) for rule in recording.rules if rule.alert == alert]
    known = list(dict.fromkeys(condition for condition in conditions if condition is not None))
    ends = [recording.started_at - fault_at, recording.ended_at - fault_at]
    thresholds = [
        Line(f"fires at {one.comparison} {one.threshold:g}", "red", ends, [one.threshold] * 2, is_threshold=True)
        for one in known
    ]
    if known and known[0].comparison in {">", ">=", "<", "<="}:
        # The first ones are drawn if there are too many.
        recorded.sort(key=lambda one: _extreme(one[1], known[0].comparison))
    lines = [_series(*one, fault_at, index, alone=len(recorded) == 1) for index, one in enumerate(recorded)]
    return PlotRow(f"{alert}: the value of its rule", lines=[*thresholds, *lines], from_zero=False)


def _extreme(series: SeriesRecord, comparison: str) -> float:
    known = [value for value in series.values if value is not None and not math.isnan(value)]
    if not known:
        return math.inf
    return -max(known) if comparison.startswith(">") else min(known)


def _series(record: WatchedRecord, series: SeriesRecord, fault_at: float, index: int, *, alone: bool) -> Line:
    name = "value" if alone else words.labels_words(series.labels) or "value"
    at = [instant - fault_at for instant in instants(record)[series.first : series.first + len(series.values)]]
    return Line(name, plot.TONES[index % len(plot.TONES)], at, series.values, is_step=True)


def _alerts(recording: Recording, judgement: Judgement) -> PlotRow:
    judged, others = _judged_lanes(judgement), _other_alerts(recording, judgement)
    lanes, fault_at = [*judged, *(_Lane(alert) for alert in others[:_MOST_OTHERS])], judgement.fault_at
    bars: list[Bar] = []
    marks: list[Mark] = []
    for y, lane in enumerate(lanes):
        if lane.milestone is None:
            most = max(_MOST_BARS // len(lanes), 8)
            bars += _states(recording, _On(lane.alert, y, fault_at, most))
            marks += _notifications(recording, _On(lane.alert, y, fault_at, most))
        else:
            bars += _window(lane.milestone, y, fault_at)
            marks += _reached(lane.milestone, y, fault_at)
    note = f"{len(others) - _MOST_OTHERS} more alerts are not drawn" if len(others) > _MOST_OTHERS else ""
    title = "alerts, and the lawful window of each milestone"
    return PlotRow(title, note, bars=bars, marks=marks, keys=_KEYS, lanes=[lane.drawn for lane in lanes])


def _judged_lanes(judgement: Judgement) -> list[_Lane]:
    lanes = []
    for verdict in judgement.verdicts:
        lanes.append(_Lane(verdict.alert))
        lanes += [_Lane(verdict.alert, milestone) for milestone in verdict.milestones if milestone.window]
    return lanes


def _other_alerts(recording: Recording, judgement: Judgement) -> list[str]:
    judged = {verdict.alert for verdict in judgement.verdicts}
    return sorted({series.labels.get("alertname", "") for series in recording.alerts} - judged)


def _states(recording: Recording, on: _On) -> Iterator[Bar]:
    alert, fault_at = on.alert, on.fault_at
    interval = next((rule.interval_seconds for rule in recording.rules if rule.alert == alert), 1.0)
    of_alert = [series for series in recording.alerts if series.labels.get("alertname") == alert]
    for state, (tone, thickness) in _STATES.items():
        found = [
            _Stretch(start - fault_at, end - fault_at, words.labels_words(series.labels))
            for series in of_alert
            if series.state == state
            for start, end in _stretches(series, interval)
        ]
        for one in _joined(found, on.most):
            how_often = state if one.count == 1 else f"{state} {one.count} times"
            text = f"{words.shortened(alert, _LONGEST_NAME)} {how_often} {one.start:+.2f} s to {one.end:+.2f} s\n{one.text}"
            yield Bar(state, tone, one.start, one.end, on.y, text, thickness)


def _stretches(series: AlertSamples, interval: float) -> list[tuple[float, float]]:
    """Join consecutive evaluations; the last state lasts until the next evaluation is due."""
    instants = sorted(series.instants)
    if not instants:
        return []
    gaps = [(before, after) for before, after in pairwise(instants) if after - before >= 1.5 * interval]
    starts = [instants[0], *(after for _, after in gaps)]
    ends = [*(before for before, _ in gaps), instants[-1]]
    return [(start, end + interval) for start, end in zip(starts, ends, strict=True)]


def _joined(found: Sequence[_Stretch], most: int) -> list[_Stretch]:
    """Join neighbours until there are not more than `most`."""
    stretches = sorted(found, key=lambda one: (one.start, one.end))
    if len(stretches) <= most:
        return stretches
    nearest = (max(one.end for one in stretches) - stretches[0].start) / most
    joined = stretches[:1]
    for one in stretches[1:]:
        last = joined[-1]
        if one.start - last.start < nearest:
            joined[-1] = _Stretch(last.start, max(last.end, one.end), last.text, last.count + one.count)
        else:
            joined.append(one)
    return joined


def _window(milestone: Milestone, y: int, fault_at: float) -> Iterator[Bar]:
    window = milestone.window
    if window is not None:
        text = f"{milestone.name}: lawful {wording.window_words(window, fault_at)}\n{window.arithmetic}"
        yield Bar(_WINDOW, "window", window.earliest - fault_at, window.latest - fault_at, y, text)


def _reached(milestone: Milestone, y: int, fault_at: float) -> Iterator[Mark]:
    if milestone.at is not None:
        key, tone, shape = _MARKS[milestone.lawful]
        text = f"{milestone.name} {wording.came(milestone, fault_at)}"
        yield Mark(key, tone, shape, milestone.at - fault_at, y, text)


def _notifications(recording: Recording, on: _On) -> Iterator[Mark]:
    told = (one for one in recording.notifications if one.labels.get("alertname") == on.alert)
    led = [one for one in told if is_led(recording, one)]
    for status, shape in _SHAPES.items():
        found = [
            _Stretch(at, at, f"{words.shortened(one.receiver, _LONGEST_NAME)} notified: {status} {at:+.2f} s")
            for one in led
            if one.status == status
            for at in [one.received_at - on.fault_at]
        ]
        for one in _joined(found, on.most):
            text = one.text if one.count == 1 else f"{one.text}, and {one.count - 1} more up to {one.end:+.2f} s"
            yield Mark(f"notified: {status}", "violet", shape, one.start, on.y - 0.3, text)
