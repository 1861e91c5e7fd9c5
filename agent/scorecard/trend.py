"""Values beside those of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isclose, isinf
from statistics import median

from alertdrill.agent.scorecard.card import Card, Reading, Score, Trend
from alertdrill.agent.scorecard.history import Run

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
