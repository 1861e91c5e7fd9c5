"""A score card as a table in Markdown."""

from __future__ import annotations

from alertdrill.agent.report import scorecard_words as spelled
from alertdrill.agent.report.scorecard import counts_words
from alertdrill.agent.report.words import utc
from alertdrill.agent.scorecard.card import Card, Status
from alertdrill.units.duration import format_seconds


def render(card: Card) -> str:
    """Render a card, ending in a newline."""
    lines = ["| KPI | status | value | target | trend |", "| --- | --- | ---: | --- | --- |"]
    for score in card.scores:
        for name, status, value, trend in spelled.rows(score):
            word = "" if status is Status.UNTARGETED else f"{spelled.MARKS[status]} {status.value}"
            cells = (name, word, value, spelled.target_words(score.kpi), trend)
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    head = f"KPIs at {utc(card.at)}, over {format_seconds(card.window_seconds)}: {counts_words(card)}."
    return "\n".join([head, "", *lines]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<")
