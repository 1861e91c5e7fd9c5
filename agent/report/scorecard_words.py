"""The words that all forms of a score card share."""

from __future__ import annotations

import math
from collections.abc import Mapping

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.report.words import latency_words, printable
from alertdrill.agent.rules.labels import spell
from alertdrill.agent.scorecard.card import Reading, Score, Status, Trend, status

MARKS = {Status.GREEN: "✓", Status.YELLOW: "!", Status.RED: "✗", Status.UNKNOWN: "?", Status.UNTARGETED: " "}
"""The sign of each status; UNTARGETED has none."""

TONES = {Status.GREEN: "good", Status.YELLOW: "unsure", Status.RED: "bad", Status.UNKNOWN: "unsure"}
"""How a status is coloured on a page; UNTARGETED is not."""


def value_words(kpi: Kpi, value: float) -> str:
    """Spell a value in the KPI's unit: `480 ms`, `0.05 %`, `1,250`; infinity as `+Inf`."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if kpi.unit == "seconds":
        return latency_words(value)
    if kpi.unit == "ratio":
        return f"{_number(100 * value)} %"
    return f"{_number(value)} {kpi.unit}".rstrip()


def target_words(kpi: Kpi) -> str:
    """Spell what is promised: `< 2.00 s`; nothing where there is no objective."""
    return f"{kpi.comparison} {value_words(kpi, kpi.limit)}" if kpi.objective is not None else ""


def yellow_words(kpi: Kpi) -> str:
    """Spell from where on it is yellow; nothing where that is not set."""
    return "" if kpi.yellow_from is None else f"yellow from {value_words(kpi, kpi.yellow_from)}"


def trend_words(kpi: Kpi, trend: Trend | None) -> str:
    """Spell the difference to the median of earlier runs: `↑ 24 ms (5 runs)`."""
    if trend is None:
        return "no earlier run"
    size = f" {value_words(kpi, abs(trend.difference))}" if trend.difference else ""
    return f"{trend.arrow}{size} ({trend.runs} {'run' if trend.runs == 1 else 'runs'})"


def name_words(kpi: Kpi, labels: Mapping[str, str]) -> str:
    """Name a value by its KPI and the labels that it is told apart by."""
    return printable(f"{kpi.name} {spell(dict(labels))}".rstrip())


def rows(score: Score) -> list[tuple[str, Status, str, str]]:
    """List the values of a KPI: name, status, value, trend; a row of its own says that there is none."""
    if not score.readings:
        why = f"no data: {score.problem}" if score.problem else "no data"
        return [(name_words(score.kpi, {}), Status.UNKNOWN, printable(why), "")]
    return [_row(score.kpi, one) for one in score.readings]


def _row(kpi: Kpi, one: Reading) -> tuple[str, Status, str, str]:
    trend = "" if math.isinf(one.value) else trend_words(kpi, one.trend)
    return name_words(kpi, one.labels), status(kpi, one.value), value_words(kpi, one.value), trend


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
