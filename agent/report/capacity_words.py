"""The words that all forms of a walk through phases share."""

from __future__ import annotations

from collections.abc import Sequence

from alertdrill.agent.report import scorecard_words
from alertdrill.agent.report.drill.kpi_phases import Cell, Row
from alertdrill.agent.scorecard.card import Status
from alertdrill.agent.scorecard.phase_result import PhaseResult
from alertdrill.probes.spelling import share_text


def rate_words(rate: float) -> str:
    """Spell a rate of transactions: `1,500/s`."""
    return f"{rate:,.0f}/s"


def failed_words(phase: PhaseResult) -> str:
    """Spell the share that failed; a dash when nothing ended."""
    return "—" if phase.failed_share is None else share_text(phase.failed_share)


def highest_words(phase: PhaseResult | None) -> str:
    """Spell how far the service carried the load."""
    if phase is None:
        return "not even the first phase passed"
    return f"highest phase that passed: {phase.name}, at {rate_words(phase.rate)}"


def kpi_rows(phases: Sequence[PhaseResult]) -> tuple[Row, ...]:
    """List the KPIs, with the worst value of each phase."""
    kpis = {score.kpi.name: score.kpi for phase in phases for score in phase.scores}
    return tuple(
        Row(name, scorecard_words.target_words(kpi), tuple(_cell(phase, name) for phase in phases))
        for name, kpi in kpis.items()
    )


def _cell(phase: PhaseResult, name: str) -> Cell:
    score = next((score for score in phase.scores if score.kpi.name == name), None)
    value = None if score is None else score.worst_value
    if score is None or value is None:
        return Cell(Status.UNKNOWN, "no data")
    return Cell(score.status, scorecard_words.value_words(score.kpi, value))
