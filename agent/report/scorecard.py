"""A score card for a terminal; reads as well without colour."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from alertdrill.agent.report import scorecard_words as spelled
from alertdrill.agent.report.words import utc
from alertdrill.agent.scorecard.card import Card, Status
from alertdrill.units.duration import format_seconds

COLOURS = {
    Status.GREEN: "green",
    Status.YELLOW: "yellow",
    Status.RED: "red",
    Status.UNKNOWN: "magenta",
    Status.UNTARGETED: "dim",
}
"""The colour of each status."""


def render(card: Card) -> RenderableType:
    """Render a row for each value, then how many KPIs stand how."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("KPI")
    table.add_column("value", justify="right")
    table.add_column("target")
    table.add_column("trend")
    for score in card.scores:
        target = spelled.target_words(score.kpi)
        for name, status, value, trend in spelled.rows(score):
            colour = COLOURS[status]
            mark = Text(spelled.MARKS[status], style=colour)
            table.add_row(mark, Text(name), Text(value, style=colour), Text(target), Text(trend, style="dim"))
    head = Text(f"{utc(card.at)}, over {format_seconds(card.window_seconds)}", style="dim")
    return Group(head, table, Text(counts_words(card)))


def counts_words(card: Card) -> str:
    """Count the KPIs: `5 green, 1 yellow, 2 red, 1 without data`."""
    names = {Status.GREEN: "green", Status.YELLOW: "yellow", Status.RED: "red", Status.UNKNOWN: "without data"}
    return ", ".join(f"{card.count(status)} {name}" for status, name in names.items())
