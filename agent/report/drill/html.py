"""The report for a person: one page that loads nothing, for a light or a dark screen, or for paper."""

from __future__ import annotations

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report import page, plot, words
from alertdrill.agent.report.drill import figure, kpi_phases, waterfall, wording
from alertdrill.agent.report.scorecard import MARKS, TONES
from alertdrill.agent.verdict.verdict import Judgement


def render(recording: Recording, judgement: Judgement) -> str:
    """Render a judgement as a self-contained HTML page."""
    return page.render(
        "report.html.j2",
        has_figures=True,
        recording=recording,
        judgement=judgement,
        figure=plot.html(figure.figure(recording, judgement)),
        words=words,
        wording=wording,
        parts=waterfall.parts,
        kpi_phases=kpi_phases,
        marks=MARKS,
        tones=TONES,
        badge=wording.BADGES[judgement.exit_code],
        outcome=wording.OVERALL[judgement.exit_code],
        attempt=wording.attempt_words(recording),
    )
