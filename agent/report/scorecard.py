"""Each form of a score card: for a terminal, as Markdown, as JSON, as a page; then the wording that they share."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from alertdrill import __version__
from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.report.words import finite, latency_words, printable, utc
from alertdrill.agent.rules.labels import spell
from alertdrill.agent.scorecard.card import Card, KpiStatus, KpiTrend, Reading, Score
from alertdrill.agent.scorecard.card import status as status_of
from alertdrill.units.duration import format_seconds

JSON_VERSION = 1
COLOURS = {
    KpiStatus.GREEN: "green",
    KpiStatus.YELLOW: "yellow",
    KpiStatus.RED: "red",
    KpiStatus.UNKNOWN: "magenta",
    KpiStatus.UNTARGETED: "dim",
}
"""The colour of each status on a terminal."""

TONES = {KpiStatus.GREEN: "good", KpiStatus.YELLOW: "unsure", KpiStatus.RED: "bad", KpiStatus.UNKNOWN: "unsure"}
"""The CSS class of each status on a page; UNTARGETED has none."""

MARKS = {
    KpiStatus.GREEN: "✓",
    KpiStatus.YELLOW: "!",
    KpiStatus.RED: "✗",
    KpiStatus.UNKNOWN: "?",
    KpiStatus.UNTARGETED: " ",
}
"""The sign of each status; UNTARGETED has none."""

_BADGES = {0: ("good", "kept"), 1: ("bad", "broken"), 3: ("unsure", "not known")}


@dataclass(frozen=True)
class KpiCell:
    """The value of a KPI in one phase of a drill or a load, as text."""

    status: KpiStatus
    words: str


@dataclass(frozen=True)
class KpiRow:
    """A KPI with a cell for each phase."""

    name: str
    target: str
    cells: tuple[KpiCell, ...]


def as_text(card: Card) -> RenderableType:
    """Render a row for each value, then how many KPIs have each status, readable without colour."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("KPI")
    table.add_column("value", justify="right")
    table.add_column("target")
    table.add_column("trend")
    for score in card.scores:
        target = target_words(score.kpi)
        for name, status, value, trend in rows(score):
            colour = COLOURS[status]
            mark = Text(MARKS[status], style=colour)
            table.add_row(mark, Text(name), Text(value, style=colour), Text(target), Text(trend, style="dim"))
    head = Text(f"{utc(card.at)}, over {format_seconds(card.window_seconds)}", style="dim")
    return Group(head, table, Text(_counts_words(card)))


def as_markdown(card: Card) -> str:
    """Write a table, ending in a newline."""
    lines = ["| KPI | status | value | target | trend |", "| --- | --- | ---: | --- | --- |"]
    for score in card.scores:
        for name, status, value, trend in rows(score):
            word = "" if status is KpiStatus.UNTARGETED else f"{MARKS[status]} {status.value}"
            cells = (name, word, value, target_words(score.kpi), trend)
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    head = f"KPIs at {utc(card.at)}, over {format_seconds(card.window_seconds)}: {_counts_words(card)}."
    return "\n".join([head, "", *lines]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<")


def as_json(card: Card) -> str:
    """Write JSON for a program, with stable keys, ending in a newline.

    at (Unix seconds), window_seconds, exit_code (0, 1 with a red KPI, 3 with one whose status is unknown);
    kpis: kpi, status (green, yellow, red, unknown, untargeted: the worst of all values), objective, yellow_from, unit,
    expr, problem; values: labels, value (null for an infinite one), status, trend (null, or the difference to the
    median, and of how many runs).
    Keys may be added; existing keys keep their meaning as long as `version` stays.
    """
    answer = {
        "version": JSON_VERSION,
        "at": card.at,
        "window_seconds": card.window_seconds,
        "exit_code": card.exit_code,
        "kpis": [_score_object(score) for score in card.scores],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _score_object(score: Score) -> dict[str, Any]:
    return {
        "kpi": score.kpi.name,
        "status": score.status.value,
        "objective": score.kpi.objective,
        "yellow_from": score.kpi.yellow_from,
        "unit": score.kpi.unit,
        "expr": score.expr,
        "problem": score.problem,
        "values": [_reading_object(score, one) for one in score.readings],
    }


def _reading_object(score: Score, one: Reading) -> dict[str, Any]:
    trend = None if one.trend is None else {"difference": one.trend.difference, "runs": one.trend.runs}
    return {
        "labels": dict(one.labels),
        "value": finite(one.value),
        "status": status_of(score.kpi, one.value).value,
        "trend": trend,
    }


def as_html(card: Card) -> str:
    """Render a self-contained HTML page; raises ModuleNotFoundError without the extra `report`."""
    from alertdrill.agent.report import page

    tone, outcome = _BADGES[card.exit_code]
    return page.render(
        "scorecard.html.j2",
        card=card,
        tone=tone,
        outcome=outcome,
        counts=_counts_words(card),
        marks=MARKS,
        tones=TONES,
        rows=rows,
        target_words=target_words,
        yellow_words=_yellow_words,
        window=format_seconds(card.window_seconds),
        utc=utc,
        version=__version__,
    )


def _counts_words(card: Card) -> str:
    """Count the KPIs: `5 green, 1 yellow, 2 red, 1 without data`."""
    names = {
        KpiStatus.GREEN: "green",
        KpiStatus.YELLOW: "yellow",
        KpiStatus.RED: "red",
        KpiStatus.UNKNOWN: "without data",
    }
    return ", ".join(f"{card.count(status)} {name}" for status, name in names.items())


def _yellow_words(kpi: Kpi) -> str:
    return "" if kpi.yellow_from is None else f"yellow from {value_words(kpi, kpi.yellow_from)}"


def rows(score: Score) -> list[tuple[str, KpiStatus, str, str]]:
    """List name, status, value and trend for each value of a KPI, or one row that says there is none."""
    if not score.readings:
        why = f"no data: {score.problem}" if score.problem else "no data"
        return [(name_words(score.kpi, {}), KpiStatus.UNKNOWN, printable(why), "")]
    return [_row(score, one) for one in score.readings]


def _row(score: Score, one: Reading) -> tuple[str, KpiStatus, str, str]:
    kpi, why = score.kpi, f": {printable(score.problem)}" if score.problem else ""
    trend = "" if math.isinf(one.value) else trend_words(kpi, one.trend)
    return name_words(kpi, one.labels), status_of(kpi, one.value), value_words(kpi, one.value) + why, trend


def name_words(kpi: Kpi, labels: Mapping[str, str]) -> str:
    """Name a value by its KPI and its labels."""
    return printable(f"{kpi.name} {spell(dict(labels))}".rstrip())


def target_words(kpi: Kpi) -> str:
    """Format the objective as `< 2.00 s`; empty where there is none."""
    return f"{kpi.comparison} {value_words(kpi, kpi.limit)}" if kpi.objective is not None else ""


def trend_words(kpi: Kpi, trend: KpiTrend | None) -> str:
    """Format the difference to the median of earlier runs: `↑ 24 ms (5 runs)`."""
    if trend is None:
        return "no earlier run"
    size = f" {value_words(kpi, abs(trend.difference))}" if trend.difference else ""
    return f"{trend.arrow}{size} ({trend.runs} {'run' if trend.runs == 1 else 'runs'})"


def value_words(kpi: Kpi, value: float) -> str:
    """Format a value in the KPI's unit: `480 ms`, `0.05 %`, `1,250`; infinity as `+Inf`."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if kpi.unit == "seconds":
        return latency_words(value)
    if kpi.unit == "ratio":
        return f"{_number(100 * value)} %"
    return f"{_number(value)} {kpi.unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
