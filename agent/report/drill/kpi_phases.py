"""Each KPI over the phases of a drill, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import KpiRecord, Phase
from alertdrill.agent.report.scorecard import KpiCell, KpiRow, name_words, target_words, value_words
from alertdrill.agent.scorecard.card import KpiStatus, status


def phases(recording: Recording) -> tuple[Phase, ...]:
    """List the phases that the drill reached."""
    return tuple(record.phase for record in recording.phases)


def rows(recording: Recording) -> tuple[KpiRow, ...]:
    """List the KPIs of the recording, with a row for each set of labels."""
    return tuple(row for record in recording.kpis for row in _rows(record, phases(recording)))


def _rows(record: KpiRecord, names: tuple[Phase, ...]) -> list[KpiRow]:
    known = list(dict.fromkeys(tuple(sorted(one.labels.items())) for one in record.values)) or [()]
    return [_row(record, dict(labels), names) for labels in known]


def _row(record: KpiRecord, labels: Mapping[str, str], names: tuple[Phase, ...]) -> KpiRow:
    values = {one.phase: one.value for one in record.values if one.labels == labels}
    cells = tuple(_cell(record, values.get(name)) for name in names)
    return KpiRow(name_words(record.kpi, labels), target_words(record.kpi), cells)


def _cell(record: KpiRecord, value: float | None) -> KpiCell:
    if value is None:
        return KpiCell(KpiStatus.UNKNOWN, "no data")
    return KpiCell(status(record.kpi, value), value_words(record.kpi, value))
