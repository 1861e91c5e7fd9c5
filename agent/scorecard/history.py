"""Earlier score cards: a file of JSON lines, one for each run, to which only is added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isclose, isinf
from pathlib import Path
from statistics import median
from typing import BinaryIO

from pydantic import ValidationError

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.records import Instant, Record, Seconds
from alertdrill.agent.scorecard.card import Card, Reading, Score, Trend


class Value(Record):
    """One value of one KPI."""

    kpi: str
    labels: dict[str, str] = {}
    value: float


class Run(Record):
    """What one score card held; `at` is Unix seconds."""

    at: Instant
    window_seconds: Seconds
    values: list[Value]


def read(path: Path) -> list[Run]:
    """Read all runs, none where there is no file; raises ConfigError with the line that is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    # A last line without an end was broken off, as by a power cut: it was never a run.
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [_run(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def add(path: Path, runs: Sequence[Run], card: Card) -> None:
    """Add a card to the end of a file, unless its instant is there already; raises ConfigError."""
    run = _of(card)
    if not run.values or any((one.at, one.window_seconds) == (run.at, run.window_seconds) for one in runs):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            _cut_broken_line(file)
            file.write(run.model_dump_json().encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}; set another --history") from error


def _cut_broken_line(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)


def _run(path: Path, number: int, line: str) -> Run:
    try:
        return Run.model_validate_json(line)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise ConfigError(f"{path}:{number}: is no run of KPIs: {said}; delete the line, or the file") from error


def _of(card: Card) -> Run:
    values = [
        Value(kpi=score.kpi.name, labels=dict(reading.labels), value=reading.value)
        for score in card.scores
        for reading in score.readings
        if math.isfinite(reading.value)
    ]
    return Run(at=card.at, window_seconds=card.window_seconds, values=values)


_LAST_RUNS = 10


def with_trends(card: Card, runs: Sequence[Run]) -> Card:
    """Set the trend of each value: against the last ten earlier runs over a window as long, that have the value."""
    earlier = sorted((run for run in runs if _is_comparable(run, card)), key=lambda run: run.at)
    return replace(card, scores=tuple(_score(score, earlier) for score in card.scores))


def _is_comparable(run: Run, card: Card) -> bool:
    return run.at < card.at and run.window_seconds == card.window_seconds


def _score(score: Score, earlier: Sequence[Run]) -> Score:
    readings = tuple(replace(one, trend=_trend(score.kpi.name, one, earlier)) for one in score.readings)
    return replace(score, readings=readings)


def _trend(kpi: str, reading: Reading, earlier: Sequence[Run]) -> Trend | None:
    known = [value for run in earlier if (value := _value(run, kpi, reading.labels)) is not None][-_LAST_RUNS:]
    if not known or isinf(reading.value):
        return None
    usual = median(known)
    # What is left of two sums of floats is no change.
    difference = 0.0 if isclose(reading.value, usual, rel_tol=1e-9) else reading.value - usual
    return Trend(difference, len(known))


def _value(run: Run, kpi: str, labels: Mapping[str, str]) -> float | None:
    return next((one.value for one in run.values if one.kpi == kpi and one.labels == labels), None)
