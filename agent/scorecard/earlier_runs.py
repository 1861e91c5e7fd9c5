"""Earlier score cards, and trends against them: an append-only file of JSON lines, one for each run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isclose, isinf
from pathlib import Path
from statistics import median
from typing import BinaryIO

from pydantic import ValidationError

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import private
from alertdrill.agent.recording.records import Instant, Record, Seconds
from alertdrill.agent.scorecard.card import Card, KpiTrend, Reading, Score


class KpiValue(Record):
    """One value of one KPI."""

    kpi: str
    labels: dict[str, str] = {}
    value: float


class CardRun(Record):
    """The values of one score card; `at` is Unix seconds."""

    at: Instant
    window_seconds: Seconds
    values: list[KpiValue]


def read(path: Path) -> list[CardRun]:
    """Read all runs, none where there is no file; raises ConfigError with the number of an invalid line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    # A last line without a line break is incomplete, as after a power cut: leave it out.
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [_run(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def add(path: Path, runs: Sequence[CardRun], card: Card) -> None:
    """Append a card to a file, unless a run of its instant and window is there already; raises ConfigError."""
    run = _of(card)
    if not run.values or any((one.at, one.window_seconds) == (run.at, run.window_seconds) for one in runs):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b", opener=private) as file:
            _cut_broken_line(file)
            file.write(run.model_dump_json().encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}; set another --history") from error


def _cut_broken_line(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)


def _run(path: Path, number: int, line: str) -> CardRun:
    try:
        return CardRun.model_validate_json(line)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ConfigError(f"{path}:{number}: is not a run of KPIs: {reason}; delete the line, or the file") from error


def _of(card: Card) -> CardRun:
    values = [
        KpiValue(kpi=score.kpi.name, labels=dict(reading.labels), value=reading.value)
        for score in card.scores
        for reading in score.readings
        if math.isfinite(reading.value)
    ]
    return CardRun(at=card.at, window_seconds=card.window_seconds, values=values)


def card_of(run: CardRun, kpis: Sequence[Kpi]) -> Card:
    """Return the card of a run, as far as its values are kept."""
    return Card(run.at, run.window_seconds, tuple(_score_of(run, kpi) for kpi in kpis))


def _score_of(run: CardRun, kpi: Kpi) -> Score:
    readings = tuple(Reading(one.value, one.labels) for one in run.values if one.kpi == kpi.name)
    return Score(kpi, "", readings)


_LAST_RUNS = 10


def with_trends(card: Card, runs: Sequence[CardRun]) -> Card:
    """Set the trend of each value: against the last ten earlier runs that have it, over a window of the same length."""
    earlier = sorted((run for run in runs if _is_comparable(run, card)), key=lambda run: run.at)
    return replace(card, scores=tuple(_score(score, earlier) for score in card.scores))


def _is_comparable(run: CardRun, card: Card) -> bool:
    return run.at < card.at and run.window_seconds == card.window_seconds


def _score(score: Score, earlier: Sequence[CardRun]) -> Score:
    readings = tuple(replace(one, trend=_trend(score.kpi.name, one, earlier)) for one in score.readings)
    return replace(score, readings=readings)


def _trend(kpi: str, reading: Reading, earlier: Sequence[CardRun]) -> KpiTrend | None:
    known = [value for run in earlier if (value := _value(run, kpi, reading.labels)) is not None][-_LAST_RUNS:]
    if not known or isinf(reading.value):
        return None
    usual = median(known)
    # A difference from rounding alone is not a change.
    difference = 0.0 if isclose(reading.value, usual, rel_tol=1e-9) else reading.value - usual
    return KpiTrend(difference, len(known))


def _value(run: CardRun, kpi: str, labels: Mapping[str, str]) -> float | None:
    return next((one.value for one in run.values if one.kpi == kpi and one.labels == labels), None)
