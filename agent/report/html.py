"""The report for a person: one page that loads nothing, for a light or a dark screen, or for paper."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from agent.recording import Recording
from agent.report import figure, words
from agent.verdict.verdict import Judgement

_BADGES = {0: "good", 1: "bad", 3: "unsure"}


def render(recording: Recording, judgement: Judgement) -> str:
    """Render a judgement as a self-contained HTML page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("agent.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    # Plotly escapes its own JSON for a script element, and figure.py the labels; nothing else goes in unescaped.
    timeline = Markup(figure.html(recording, judgement))  # noqa: S704 - as said above
    return environment.from_string(source).render(
        recording=recording,
        judgement=judgement,
        figure=timeline,
        words=words,
        badge=_BADGES[judgement.exit_code],
        outcome=words.OVERALL[judgement.exit_code],
    )
