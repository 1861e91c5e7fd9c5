"""The common parts of the figures of all pages: colours, layout, and their HTML."""

from __future__ import annotations

import plotly.graph_objects as go
from markupsafe import Markup

COUNTS = {"succeeded": "#3b82f6", "failed": "#dc2626", "dropped": "#9ca3af"}
QUANTILES = {"p50": "#7dd3fc", "p95": "#3b82f6", "p99": "#8b5cf6"}
FAINT_GRID = "rgba(128, 128, 128, 0.1)"
_GRID = "rgba(128, 128, 128, 0.22)"
_TEXT = "#6b7280"
_LEGEND_PIXELS = 170


def html(drawn: go.Figure, name: str, *, with_plotly: bool = True) -> Markup:
    """Convert a figure to HTML; the first one of a page includes plotly.js."""
    text: str = drawn.to_html(
        full_html=False,
        include_plotlyjs=with_plotly,
        div_id=name,  # without a name, plotly would use a random one
        config={"displaylogo": False, "responsive": True, "displayModeBar": False},
    )
    # Plotly escapes its JSON for a script element; the functions that draw figures escape their labels.
    return Markup(text)  # noqa: S704 - see above


def lay_out(drawn: go.Figure, rows: int, plot_pixels: float, *, top_pixels: int) -> None:
    """Apply the page's style to a figure of several rows, with a legend beside each row."""
    bottom = 48
    drawn.update_layout(
        height=plot_pixels + top_pixels + bottom,
        margin={"l": 60, "r": _LEGEND_PIXELS, "t": top_pixels, "b": bottom},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": _TEXT},
    )
    drawn.update_xaxes(gridcolor=_GRID, zeroline=False)
    drawn.update_yaxes(gridcolor=_GRID, zeroline=False, automargin=True)
    for row in range(1, rows + 1):
        number = "" if row == 1 else str(row)
        axis = drawn.layout[f"yaxis{number}"]
        legend = {"x": 1.01, "xanchor": "left", "y": axis.domain[1], "yanchor": "top", "font": {"size": 12}}
        drawn.update_layout({f"legend{number}": legend | {"bgcolor": "rgba(0,0,0,0)", "traceorder": "normal"}})


def add(drawn: go.Figure, trace: go.Scatter | go.Bar, row: int) -> None:
    """Add a trace to a row and to that row's legend: a common legend would not show which line is in which row."""
    if trace.type == "scatter":
        trace.legend = "legend" if row == 1 else f"legend{row}"
    drawn.add_trace(trace, row=row, col=1)
