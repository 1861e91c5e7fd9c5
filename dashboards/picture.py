"""Draws a dashboard as an HTML page from Prometheus's answers, for use without Grafana."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import plotly.graph_objects as go

from dashboards.panel import Dashboard, Limits, Panel
from dashboards.prometheus_queries import Line

_COLOURS = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#37872d", "#8ab8ff")
_SHADES = {"green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c"}
_UNITS = {"ops": "/s", "s": " s", "percent": " %", "bytes": " B", "Bps": " B/s", "short": "", "bool": ""}
_STYLE = """
body { background: #111217; color: #ccccdc; font: 14px system-ui, sans-serif; margin: 16px; }
h1 { font-size: 20px; font-weight: 500; } h2 { font-size: 15px; font-weight: 500; margin: 16px 0 8px; }
.row { display: grid; grid-template-columns: repeat(24, 1fr); gap: 8px; }
.panel { background: #181b1f; border: 1px solid #2c3235; border-radius: 2px; padding: 8px; overflow: hidden; }
.panel h3 { font-size: 13px; font-weight: 500; margin: 0 0 4px; }
.figure { font-size: 40px; text-align: center; padding: 18px 0; border-radius: 2px; color: #111217; }
.none { text-align: center; padding: 40px; color: #8e8e99; }
"""


def html_page(spec: Dashboard, answers: Mapping[str, Sequence[Line]]) -> str:
    """Draw a dashboard as HTML; `answers` holds the lines of each panel by its title."""
    rows, is_first = [], True
    for row in spec.rows:
        panels = []
        for panel in row.panels:
            body = _panel(panel, answers[panel.title], with_plotly=is_first)
            is_first = is_first and "Plotly" not in body
            title, text = html.escape(panel.title), html.escape(panel.text)
            head = f'<div class="panel" style="grid-column: span {panel.width}"><h3 title="{text}">{title}</h3>'
            panels.append(f"{head}{body}</div>")
        rows.append(f'<h2>{html.escape(row.title)}</h2><div class="row">{"".join(panels)}</div>')
    head = f'<!doctype html><meta charset="utf-8"><title>{html.escape(spec.title)}</title><style>{_STYLE}</style>'
    return f"{head}<h1>{html.escape(spec.title)}</h1>{''.join(rows)}"


def _panel(panel: Panel, lines: Sequence[Line], *, with_plotly: bool) -> str:
    if not lines:
        return '<div class="none">no data</div>'
    if panel.form == "stat":
        return "".join(_figure(panel, line) for line in lines)
    return _plot(panel, lines, with_plotly=with_plotly)


def _figure(panel: Panel, line: Line) -> str:
    value = next((value for _, value in reversed(line.samples) if not math.isnan(value)), math.nan)
    return (
        f'<div class="figure" style="background: {_shade(panel.limits, value)}">{format_value(value, panel.unit)}</div>'
    )


def _shade(limits: Limits | None, value: float) -> str:
    if limits is None:
        return "#5794f2"
    colour = "green"
    for bound, name in limits.steps:
        if bound is None or value >= bound:
            colour = name
    return _SHADES[colour]


def format_value(value: float, unit: str) -> str:
    """Format a value with three digits and its unit."""
    if math.isnan(value):
        return "none"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor and unit != "s":
            return f"{value / factor:.3g} {prefix}{_UNITS.get(unit, '').strip()}"
    return f"{value:.3g}{_UNITS.get(unit, '')}"


def _plot(panel: Panel, lines: Sequence[Line], *, with_plotly: bool) -> str:
    drawn = go.Figure()
    for number, line in enumerate(lines):
        at = [datetime.fromtimestamp(instant, UTC) for instant, _ in line.samples]
        values = [None if math.isnan(value) else value for _, value in line.samples]
        stroke = {"width": 1.6, "color": _COLOURS[number % len(_COLOURS)]}
        stack = "all" if panel.form == "stack" else None
        mode = "lines" if len(at) > 1 else "markers"
        drawn.add_trace(go.Scatter(x=at, y=values, name=line.legend, mode=mode, line=stroke, stackgroup=stack))
    for bound, name in panel.limits.steps if panel.limits is not None else ():
        if bound is not None and _is_near(bound, lines):
            drawn.add_hline(y=bound, line={"color": _SHADES[name], "width": 1, "dash": "dash"})
    drawn.update_layout(
        height=260,
        margin={"l": 48, "r": 8, "t": 4, "b": 24},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#ccccdc", "size": 11},
        showlegend=True,
        legend={"orientation": "h", "y": -0.15},
    )
    drawn.update_xaxes(gridcolor="#2c3235")
    as_percent = {"tickformat": ".2~%"} if panel.unit == "percentunit" else {"ticksuffix": _UNITS.get(panel.unit, "")}
    drawn.update_yaxes(gridcolor="#2c3235", rangemode="tozero", **as_percent)
    text: str = drawn.to_html(full_html=False, include_plotlyjs=with_plotly, config={"displayModeBar": False})
    return text


def _is_near(bound: float, lines: Sequence[Line]) -> bool:
    """Return whether a limit is close enough to the lines to be drawn without flattening them."""
    highest = max((value for line in lines for _, value in line.samples if not math.isnan(value)), default=0.0)
    return bound <= 2 * highest
