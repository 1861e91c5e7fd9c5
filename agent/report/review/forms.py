"""A review for a terminal; reads as well without colour."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from alertdrill.agent.report import review_words as spelled
from alertdrill.agent.report.review import sparkline
from alertdrill.agent.report.review.review import Review, Track
from alertdrill.agent.report.words import mark, printable, tone

_COLOURS = {"good": "green", "bad": "red", "unsure": "yellow"}


def render(review: Review) -> RenderableType:
    """Render the tracks of all alerts, then those that were not proven."""
    parts: list[RenderableType] = [
        Text(spelled.heading(review), style="bold"),
        Text(f"{spelled.counts(review)}; {spelled.proven(review)}"),
        Text(),
    ]
    for track in review.tracks:
        parts += _track(track)
    if review.unproven:
        parts.append(Text(f"{spelled.unproven_heading(review)}:", style="bold"))
        parts += [Text(printable(f"  ✗ {one.alert}: {spelled.why(one)}")) for one in review.unproven]
    return Group(*parts)


def _track(track: Track) -> list[RenderableType]:
    last = track.runs[-1].outcome
    title = Text()
    title.append(printable(f"{mark(last)} {track.alert}"), f"bold {_COLOURS[tone(last)]}")
    title.append(printable(f"  {spelled.drill_words(track)}"))
    lines = [f"last proven {spelled.proven_words(track)}; {spelled.verdicts_words(track)}"]
    if track.detected_after:
        change = "" if track.change is None else f", {spelled.change_words(track)} from the median before"
        trend = sparkline.text([run.detected_after for run in track.runs])
        lines.append(f"fired after {spelled.detected_words(track)}{change}  {trend}")
    return [title, *(Padding(Text(line), (0, 0, 0, 4)) for line in lines), Text()]
