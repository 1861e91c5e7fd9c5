"""A score card as one page that loads nothing."""

from __future__ import annotations

from alertdrill import __version__
from alertdrill.agent.report import page, words
from alertdrill.agent.report import scorecard_words as spelled
from alertdrill.agent.report.scorecard import counts_words
from alertdrill.agent.scorecard.card import Card
from alertdrill.units.duration import format_seconds

_BADGES = {0: ("good", "kept"), 1: ("bad", "broken"), 3: ("unsure", "not known")}


def render(card: Card) -> str:
    """Render a card as a self-contained HTML page."""
    tone, outcome = _BADGES[card.exit_code]
    return page.render(
        "scorecard.html.j2",
        card=card,
        tone=tone,
        outcome=outcome,
        counts=counts_words(card),
        spelled=spelled,
        window=format_seconds(card.window_seconds),
        utc=words.utc,
        version=__version__,
    )
