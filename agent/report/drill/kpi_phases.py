"""Each KPI over the phases of a drill, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alertdrill.agent.report import scorecard_words as spelled
from alertdrill.agent.scorecard.card import Status, status

if TYPE_CHECKING:
    # A load alone shares these words, and need not import what drills are made of.
    from alertdrill.agent.recording.recording import Recording
    from alertdrill.agent.recording.records import KpiRecord, Phase


@dataclass(frozen=True)
class Cell:
    """A value in one phase."""

    status: Status
    words: str


@dataclass(frozen=True)
class Row:
    """One KPI, with a cell for each phase."""

    name: str
    target: str
    cells: tuple[Cell, ...]


def phases(recording: Recording) -> tuple[Phase, ...]:
    """List the phases that the drill came to."""
    return tuple(record.phase for record in recording.phases)


def rows(recording: Recording) -> tuple[Row, ...]:
    """List the KPIs that the recording holds, by their labels where there are several values."""
    return tuple(row for record in recording.kpis for row in _rows(record, phases(recording)))


def _rows(record: KpiRecord, names: tuple[Phase, ...]) -> list[Row]:
    known = list(dict.fromkeys(tuple(sorted(one.labels.items())) for one in record.values)) or [()]
    return [_row(record, dict(labels), names) for labels in known]


def _row(record: KpiRecord, labels: Mapping[str, str], names: tuple[Phase, ...]) -> Row:
    values = {one.phase: one.value for one in record.values if one.labels == labels}
    cells = tuple(_cell(record, values.get(name)) for name in names)
    return Row(spelled.name_words(record.kpi, labels), spelled.target_words(record.kpi), cells)


def _cell(record: KpiRecord, value: float | None) -> Cell:
    if value is None:
        return Cell(Status.UNKNOWN, "no data")
    return Cell(status(record.kpi, value), spelled.value_words(record.kpi, value))
