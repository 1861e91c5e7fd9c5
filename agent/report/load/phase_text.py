"""The phases of a load for a terminal: the rate and the figures of each, and the highest that passed.

The page of a load uses the wording at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from alertdrill.agent.report.scorecard import COLOURS, MARKS, KpiCell, KpiRow, target_words, value_words
from alertdrill.agent.report.words import latency_words, printable
from alertdrill.agent.scorecard.card import KpiStatus
from alertdrill.agent.scorecard.phase_result import PhaseResult, highest_passed
from alertdrill.probes.spelling import share_text


def render(phases: Sequence[PhaseResult]) -> RenderableType:
    """Render a table of the phases, one of the KPIs where there are any, the failures, and the highest phase."""
    parts: list[RenderableType] = [Text("\n  █ PHASES\n"), _phases(phases)]
    if any(phase.scores for phase in phases):
        parts += [Text(), _kpis(phases)]
    lines = [
        Text(printable(f"{phase.name}: {text}"), style=style)
        for phase in phases
        for texts, style in ((phase.failures, "red"), (phase.notes, "yellow"))
        for text in texts
    ]
    highest = Text(printable(highest_words(highest_passed(phases))), style="bold")
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
        rates = (rate_words(phase.asked_rate), rate_words(phase.achieved_rate))
        table.add_row(Text(printable(phase.name)), *rates, *latencies, failed_words(phase), mark)
    return table


def _kpis(phases: Sequence[PhaseResult]) -> Table:
    table = _table("KPI", *(phase.name for phase in phases), "target")
    for column in table.columns[1:]:
        column.no_wrap = True
    for row in kpi_rows(phases):
        cells = [Text(f"{one.words}{MARKS[one.status]}", style=COLOURS[one.status]) for one in row.cells]
        table.add_row(Text(row.name), *cells, Text(row.target))
    return table


def rate_words(rate: float) -> str:
    """Format a rate of transactions: `1,500/s`."""
    return f"{rate:,.0f}/s"


def failed_words(phase: PhaseResult) -> str:
    """Format the share that failed; a dash when no transaction ended."""
    return "—" if phase.failed_share is None else share_text(phase.failed_share)


def highest_words(phase: PhaseResult | None) -> str:
    """Describe the highest phase that passed."""
    if phase is None:
        return "not even the first phase passed"
    return f"highest phase that passed: {phase.name}, at {rate_words(phase.rate)}"


def kpi_rows(phases: Sequence[PhaseResult]) -> tuple[KpiRow, ...]:
    """List the KPIs with the worst value of each phase."""
    kpis = {score.kpi.name: score.kpi for phase in phases for score in phase.scores}
    return tuple(
        KpiRow(name, target_words(kpi), tuple(_cell(phase, name) for phase in phases)) for name, kpi in kpis.items()
    )


def _cell(phase: PhaseResult, name: str) -> KpiCell:
    score = next((score for score in phase.scores if score.kpi.name == name), None)
    value = None if score is None else score.worst_value
    if score is None or value is None:
        return KpiCell(KpiStatus.UNKNOWN, "no data")
    return KpiCell(score.status, value_words(score.kpi, value))
