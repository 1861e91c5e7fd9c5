"""The report for a person: one page that loads nothing, for a light or a dark screen, or for paper."""

from __future__ import annotations

from agent.recording import Recording
from agent.report import figure, page, plot, waterfall, words
from agent.verdict.verdict import Judgement

_BADGES = {0: "good", 1: "bad", 3: "unsure"}


def render(recording: Recording, judgement: Judgement) -> str:
    """Render a judgement as a self-contained HTML page."""
    return page.render(
        "report.html.j2",
        recording=recording,
        judgement=judgement,
        figure=plot.html(figure.figure(recording, judgement), "timeline"),
        words=words,
        parts=waterfall.rows,
        badge=_BADGES[judgement.exit_code],
        outcome=words.OVERALL[judgement.exit_code],
    )
