"""A score card for a program: JSON whose keys are stable.

at (Unix seconds), window_seconds, exit_code (0, 1 with a red KPI, 3 with one of unknown standing);
kpis: kpi, status (green, yellow, red, unknown, untargeted: the worst of all values), objective, yellow_from, unit,
expr, problem; values: labels, value (null for an infinite one), status, trend (null, or difference to the median, of
how many runs).
Keys may be added; those that are here keep their meaning as long as `version` stays.
"""

from __future__ import annotations

import json
from typing import Any

from alertdrill.agent.report.words import finite
from alertdrill.agent.scorecard.card import Card, Reading, Score, status

VERSION = 1


def render(card: Card) -> str:
    """Render a card as JSON text, ending in a newline."""
    answer = {
        "version": VERSION,
        "at": card.at,
        "window_seconds": card.window_seconds,
        "exit_code": card.exit_code,
        "kpis": [_score(score) for score in card.scores],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _score(score: Score) -> dict[str, Any]:
    return {
        "kpi": score.kpi.name,
        "status": score.status.value,
        "objective": score.kpi.objective,
        "yellow_from": score.kpi.yellow_from,
        "unit": score.kpi.unit,
        "expr": score.expr,
        "problem": score.problem,
        "values": [_reading(score, one) for one in score.readings],
    }


def _reading(score: Score, one: Reading) -> dict[str, Any]:
    trend = None if one.trend is None else {"difference": one.trend.difference, "runs": one.trend.runs}
    return {
        "labels": dict(one.labels),
        "value": finite(one.value),
        "status": status(score.kpi, one.value).value,
        "trend": trend,
    }
