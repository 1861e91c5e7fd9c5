"""A review as one page that loads nothing."""

from __future__ import annotations

from markupsafe import Markup

from alertdrill import __version__
from alertdrill.agent.report import page, words
from alertdrill.agent.report import review_words as spelled
from alertdrill.agent.report.review import sparkline
from alertdrill.agent.report.review.review import Review, Track


def render(review: Review) -> str:
    """Render a review as a self-contained HTML page."""
    return page.render(
        "review.html.j2", review=review, spelled=spelled, words=words, spark=_spark, titled=_title, version=__version__
    )


def _spark(track: Track) -> Markup:
    tones = [words.tone(run.outcome) for run in track.runs]
    return sparkline.svg([run.detected_after for run in track.runs], tones)


def _title(track: Track) -> str:
    """List every run, a line each."""
    return "\n".join(
        f"{words.utc(run.at)}: {words.outcome_words(run.outcome)}"
        + ("" if run.detected_after is None else f", fired after {run.detected_after:.1f} s")
        for run in track.runs
    )
