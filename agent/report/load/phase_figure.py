"""The capacity curve: a service's figures by rate, with a point for each phase, or a cross where it did not pass."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from alertdrill.agent.report import plot
from alertdrill.agent.scorecard.phase_result import PhaseResult

_ROW_PIXELS, _GAP_PIXELS = 170, 46
_TITLES = ("achieved rate, transactions a second", "latency from due time, seconds", "failed, per cent")
_KPI_TITLE = "KPIs, per cent"
_ASKED, _ACHIEVED, _FAILED = "#9ca3af", "#3b82f6", "#dc2626"
_KPI_COLOURS = ("#0d9488", "#c026d3", "#ca8a04", "#64748b", "#8b5cf6")
_SYMBOLS = {True: "circle", False: "x"}


def figure(phases: Sequence[PhaseResult]) -> go.Figure:
    """Draw rate, latency, failures and all KPIs in per cent over the requested rate."""
    kpis = _percent_kpis(phases)
    titles = [*_TITLES, *([_KPI_TITLE] if kpis else [])]
    total = _ROW_PIXELS * len(titles) + _GAP_PIXELS * (len(titles) - 1)
    drawn = make_subplots(
        rows=len(titles), shared_xaxes=True, vertical_spacing=_GAP_PIXELS / total, subplot_titles=titles
    )
    drawn.update_annotations(x=0, xanchor="left", font_size=13, yshift=3)
    plot.add(drawn, _curve("asked", _ASKED, phases, [one.asked_rate for one in phases]), 1)
    plot.add(drawn, _curve("achieved", _ACHIEVED, phases, [one.achieved_rate for one in phases]), 1)
    for name, colour in plot.QUANTILES.items():
        plot.add(drawn, _curve(name, colour, phases, [getattr(one, f"{name}_seconds") for one in phases]), 2)
    failed = [None if one.failed_share is None else 100 * one.failed_share for one in phases]
    plot.add(drawn, _curve("failed", _FAILED, phases, failed), 3)
    for name, colour in zip(kpis, _KPI_COLOURS, strict=False):
        plot.add(drawn, _curve(escape(name), colour, phases, [_value(one, name) for one in phases]), 4)
    plot.lay_out(drawn, len(titles), total, top_pixels=28)
    drawn.update_yaxes(rangemode="tozero")
    drawn.update_yaxes(type="log", rangemode="normal", row=2)
    drawn.update_xaxes(title_text="requested rate, transactions a second", showticklabels=True, row=len(titles))
    return drawn


def _curve(name: str, colour: str, phases: Sequence[PhaseResult], values: Sequence[float | None]) -> go.Scatter:
    return go.Scatter(
        x=[one.rate for one in phases],
        y=values,
        name=name,
        mode="lines+markers",
        line={"width": 1.6, "color": colour},
        marker={"symbol": [_SYMBOLS[one.passed] for one in phases], "size": 9},
        customdata=[escape(one.name) for one in phases],
        hovertemplate="%{customdata}: %{y:.4g}",
        showlegend=True,
    )


def _percent_kpis(phases: Sequence[PhaseResult]) -> list[str]:
    return list(dict.fromkeys(score.kpi.name for one in phases for score in one.scores if score.kpi.unit == "%"))


def _value(phase: PhaseResult, name: str) -> float | None:
    return next((score.worst_value for score in phase.scores if score.kpi.name == name), None)
