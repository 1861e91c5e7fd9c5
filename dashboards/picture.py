"""Draws a dashboard as an HTML page from Prometheus's answers, for use without Grafana."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

from markupsafe import Markup

from alertdrill.agent.report import plot
from alertdrill.agent.report.axis import Unit
from alertdrill.agent.report.plot import Axis, Figure, Line, PlotRow, Stack, Tone
from dashboards.panel import Dashboard, Panel, Thresholds
from dashboards.prometheus_queries import PanelSeries as Answer

_TONES: tuple[Tone, ...] = ("blue", "orange", "green", "magenta", "teal", "violet", "ochre", "sky")
_SHADES: Mapping[str, Tone] = {"green": "green", "yellow": "orange", "red": "red"}
_UNITS: Mapping[str, Unit] = {"ops": "/s", "s": "s", "percent": "%", "percentunit": "%", "bytes": "B", "Bps": "B/s"}
# For all panels of a page together.
_MOST_POINTS = 15_000
_STYLE = Markup("""
:root { --paper: #f4f5f5; --card: #fff; --ink: #24292e; --soft: #5c636b; --line: #dcdfe3; --bad: #c81e1e; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #111217; --card: #181b1f; --ink: #ccccdc; --soft: #9a9aa6; --line: #2c3235; --bad: #ff7657; }
}
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 14px system-ui, sans-serif; margin: 16px; overflow-wrap: anywhere; }
h1 { font-size: 20px; font-weight: 500; } h2 { font-size: 15px; font-weight: 500; margin: 16px 0 8px; }
.panels { display: grid; grid-template-columns: repeat(24, minmax(0, 1fr)); gap: 8px; }
.panel { grid-column: span var(--span); background: var(--card); border: 1px solid var(--line); border-radius: 2px;
  padding: 8px; break-inside: avoid; }
.panel h3 { font-size: 13px; font-weight: 500; margin: 0 0 4px; }
.panel .row-title { display: none; }
.number { font-size: 40px; text-align: center; padding: 14px 0; border-left: 8px solid var(--tone); }
.none { text-align: center; padding: 40px; color: var(--soft); }
@media (max-width: 900px) { .panel { grid-column: 1 / -1; } }
""")


def html_page(spec: Dashboard, answers: Mapping[str, Sequence[Answer]]) -> str:
    """Draw a dashboard as HTML; `answers` holds the lines of each panel by its title."""
    numbers = {panel.title: number for number, panel in enumerate(spec.panels)}
    rows = Markup("").join(
        Markup('<h2>{}</h2><div class="panels">{}</div>\n').format(
            row.title,
            Markup("").join(_panel(panel, answers[panel.title], numbers[panel.title], spec) for panel in row.panels),
        )
        for row in spec.rows
    )
    return Markup(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta http-equiv="Content-Security-Policy" content="{}"><link rel="icon" href="data:,">'
        "<title>{}</title><style>{}{}</style></head>\n<body><h1>{}</h1>\n{}<script>{}</script></body></html>\n"
    ).format(
        plot.policy(has_figures=True), spec.title, _STYLE, plot.style(), spec.title, rows, plot.script()
    )  # fmt: skip


def _panel(panel: Panel, answers: Sequence[Answer], number: int, spec: Dashboard) -> Markup:
    frame = Markup('<div class="panel" style="--span: {}"><h3 title="{}">{}</h3>{}</div>\n')
    return frame.format(panel.width, panel.text, panel.title, _body(panel, answers, number, spec))


def _body(panel: Panel, answers: Sequence[Answer], number: int, spec: Dashboard) -> Markup:
    if not any(answer.samples for answer in answers):
        return Markup('<div class="none">no data</div>')
    if panel.form == "stat":
        return Markup("").join(_number(panel, answer) for answer in answers)
    return plot.html(_figure(panel, answers, number, _MOST_POINTS // len(spec.panels)))


def _number(panel: Panel, answer: Answer) -> Markup:
    value = next((value for _, value in reversed(answer.samples) if not math.isnan(value)), math.nan)
    shade = "blue" if panel.limits is None else _SHADES[_shade(panel.limits, value)]
    return Markup('<div class="number {}">{}</div>').format(shade, format_value(value, panel.unit))


def _shade(limits: Thresholds, value: float) -> str:
    return [name for bound, name in limits.steps if bound is None or value >= bound][-1]


def format_value(value: float, unit: str) -> str:
    """Format a value with three digits and its unit."""
    if math.isnan(value):
        return "none"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    suffix = _UNITS.get(unit, "")
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor and unit != "s":
            return f"{value / factor:.3g} {prefix}{suffix}"
    return f"{value:.3g}{'' if suffix in {'', '/s'} else ' '}{suffix}"


def _factor(unit: str) -> float:
    return 100.0 if unit == "percentunit" else 1.0


def _figure(panel: Panel, answers: Sequence[Answer], number: int, most_points: int) -> Figure:
    instants = sorted({at for answer in answers for at, _ in answer.samples})
    zero = instants[0]
    stack = _stack(panel, answers, instants) if panel.form == "stack" else None
    lines = [] if stack else [_line(panel, answer, zero, tone) for answer, tone in zip(answers, cycle(_TONES))]
    row = PlotRow(
        panel.title, lines=lines, stack=stack, unit=_UNITS.get(panel.unit, ""), limits=_limits(panel, answers)
    )
    along = Axis(0.0, instants[-1] - zero, "UTC", "clock", zero=zero)
    return Figure(f"panel-{number}", [row], along, most_points=most_points)


def _line(panel: Panel, answer: Answer, zero: float, tone: Tone) -> Line:
    at = [instant - zero for instant, _ in answer.samples]
    values = [None if math.isnan(value) else value * _factor(panel.unit) for _, value in answer.samples]
    return Line(answer.legend, tone, at, values)


def _stack(panel: Panel, answers: Sequence[Answer], instants: Sequence[float]) -> Stack:
    """Stack the answers; an answer without a value at an instant adds nothing there."""
    zero, counts, tones = instants[0], {}, {}
    for number, answer in enumerate(answers):
        name = answer.legend if answer.legend not in counts else f"{answer.legend} ({number})"
        known = {at: value * _factor(panel.unit) for at, value in answer.samples if not math.isnan(value)}
        counts[name] = [known.get(at, 0.0) for at in instants]
        tones[name] = _TONES[number % len(_TONES)]
    return Stack([at - zero for at in instants], instants[-1] - zero, counts, tones)


def _limits(panel: Panel, answers: Sequence[Answer]) -> list[tuple[float, Tone]]:
    steps = panel.limits.steps if panel.limits is not None else ()
    near = [(bound, name) for bound, name in steps if bound is not None and _is_near(bound, answers)]
    return [(bound * _factor(panel.unit), _SHADES[name]) for bound, name in near]


def _is_near(bound: float, answers: Sequence[Answer]) -> bool:
    """Return whether a limit is close enough to the lines to be drawn without flattening them."""
    highest = max((value for one in answers for _, value in one.samples if not math.isnan(value)), default=0.0)
    return bound <= 2 * highest
