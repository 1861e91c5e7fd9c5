"""A review as Markdown, for the notes of a weekly meeting."""

from __future__ import annotations

from alertdrill.agent.report import review_words as spelled
from alertdrill.agent.report.markdown import plain, table
from alertdrill.agent.report.review import sparkline
from alertdrill.agent.report.review.review import Review, Track

_HEAD = ("alert", "drill", "last proven", "verdicts", "fired after", "change", "trend")


def render(review: Review) -> str:
    """Write the review, ending in a newline."""
    blocks = [f"# {spelled.heading(review)}", f"{spelled.counts(review)}.\n{spelled.proven(review)}."]
    if review.tracks:
        blocks += ["## Alerts", table(_HEAD, [_row(track) for track in review.tracks])]
        blocks.append("The change is that of the last detection from the median of those before.")
    blocks += [f"## {spelled.unproven_heading(review)}", _listed(review) or "None: every alert was."]
    if review.damaged:
        blocks += ["## Skipped", "\n".join(f"- {plain(problem)}" for problem in review.damaged)]
    return "\n\n".join(blocks) + "\n"


def _row(track: Track) -> tuple[str, ...]:
    return (
        track.alert,
        spelled.drill_words(track),
        spelled.proven_words(track),
        spelled.verdicts_words(track),
        spelled.detected_words(track),
        spelled.change_words(track),
        sparkline.text([run.detected_after for run in track.runs]),
    )


def _listed(review: Review) -> str:
    return "\n".join(f"- [ ] {plain(f'{one.alert}: {spelled.why(one)}')}" for one in review.unproven)
