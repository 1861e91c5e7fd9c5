"""The phases of a load for a terminal: what each asked, what came of it, and the highest that passed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from alertdrill.agent.report import capacity_words as spelled
from alertdrill.agent.report.scorecard import COLOURS
from alertdrill.agent.report.scorecard_words import MARKS
from alertdrill.agent.report.words import latency_words, printable
from alertdrill.agent.scorecard.phase_result import PhaseResult, highest_passed


def render(phases: Sequence[PhaseResult]) -> RenderableType:
    """Render a table of the phases, one of the KPIs where they were asked for, the failures, and the highest phase."""
    parts: list[RenderableType] = [Text("\n  █ PHASES\n"), _phases(phases)]
    if any(phase.scores for phase in phases):
        parts += [Text(), _kpis(phases)]
    lines = [
        Text(printable(f"{phase.name}: {text}"), style=style)
        for phase in phases
        for texts, style in ((phase.failures, "red"), (phase.notes, "yellow"))
        for text in texts
    ]
    highest = Text(printable(spelled.highest_words(highest_passed(phases))), style="bold")
    return Group(*parts, Text(), *lines, highest)


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for index, name in enumerate(names):
        table.add_column(printable(name), justify="right" if index else "left")
    return table


def _phases(phases: Sequence[PhaseResult]) -> Table:
    table = _table("phase", "asked", "achieved", "p95", "p99", "failed", "")
    for phase in phases:
        mark = Text("✓", style="green") if phase.passed else Text("✗", style="red")
        latencies = (latency_words(phase.p95_seconds), latency_words(phase.p99_seconds))
        rates = (spelled.rate_words(phase.asked_rate), spelled.rate_words(phase.achieved_rate))
        table.add_row(Text(printable(phase.name)), *rates, *latencies, spelled.failed_words(phase), mark)
    return table


def _kpis(phases: Sequence[PhaseResult]) -> Table:
    table = _table("KPI", *(phase.name for phase in phases), "target")
    for column in table.columns[1:]:
        column.no_wrap = True
    for row in spelled.kpi_rows(phases):
        cells = [Text(f"{one.words}{MARKS[one.status]}", style=COLOURS[one.status]) for one in row.cells]
        table.add_row(Text(row.name), *cells, Text(row.target))
    return table
