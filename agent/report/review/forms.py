"""Each form of a review: for a terminal, as Markdown, as a page; then the wording that they share."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from alertdrill import __version__
from alertdrill.agent.report.drill.wording import OVERALL, mark, outcome_words, tone
from alertdrill.agent.report.markdown import plain, table
from alertdrill.agent.report.review import sparkline
from alertdrill.agent.report.review.review import Review, Track, Unproven
from alertdrill.agent.report.words import printable, utc

_COLOURS = {"good": "green", "bad": "red", "unsure": "yellow"}
_HEAD = ("alert", "drill", "last proven", "verdicts", "fired after", "change", "trend")


def as_text(review: Review) -> RenderableType:
    """Render the tracks of all alerts for a terminal, then the alerts without proof, readable without colour."""
    parts: list[RenderableType] = [
        Text(_heading(review), style="bold"),
        Text(f"{_counts(review)}; {_proven(review)}"),
        Text(),
    ]
    for track in review.tracks:
        parts += _track(track)
    if review.unproven:
        parts.append(Text(f"{_unproven_heading(review)}:", style="bold"))
        parts += [Text(printable(f"  ✗ {one.alert}: {_why(one)}")) for one in review.unproven]
    return Group(*parts)


def _track(track: Track) -> list[RenderableType]:
    last = track.runs[-1].outcome
    title = Text()
    title.append(printable(f"{mark(last)} {track.alert}"), f"bold {_COLOURS[tone(last)]}")
    title.append(printable(f"  {_drill_words(track)}"))
    lines = [f"last proven {_proven_words(track)}; {_verdicts_words(track)}"]
    if track.detected_after:
        change = "" if track.change is None else f", {_change_words(track)} from the median before"
        trend = sparkline.text([run.detected_after for run in track.runs])
        lines.append(f"fired after {_detected_words(track)}{change}  {trend}")
    return [title, *(Padding.indent(Text(line), 4) for line in lines), Text()]


def as_markdown(review: Review) -> str:
    """Write the notes of a weekly meeting, ending in a newline."""
    blocks = [f"# {_heading(review)}", f"{_counts(review)}.\n{_proven(review)}."]
    if review.tracks:
        blocks += ["## Alerts", table(_HEAD, [_row(track) for track in review.tracks])]
        blocks.append("The change compares the last detection with the median of those before.")
    blocks += [f"## {_unproven_heading(review)}", _unproven_list(review) or "None: every alert was proven."]
    if review.damaged:
        blocks += ["## Skipped", "\n".join(f"- {plain(problem)}" for problem in review.damaged)]
    return "\n\n".join(blocks) + "\n"


def _row(track: Track) -> tuple[str, ...]:
    return (
        track.alert,
        _drill_words(track),
        _proven_words(track),
        _verdicts_words(track),
        _detected_words(track),
        _change_words(track),
        sparkline.text([run.detected_after for run in track.runs]),
    )


def _unproven_list(review: Review) -> str:
    return "\n".join(f"- [ ] {plain(f'{one.alert}: {_why(one)}')}" for one in review.unproven)


def as_html(review: Review) -> str:
    """Render a self-contained HTML page; raises ModuleNotFoundError without the extra `report`."""
    from markupsafe import Markup

    from alertdrill.agent.report import page

    return page.render(
        "review.html.j2",
        review=review,
        heading=_heading(review),
        counts=_counts(review),
        proven=_proven(review),
        unproven_heading=_unproven_heading(review),
        why=_why,
        drill_words=_drill_words,
        proven_words=_proven_words,
        verdicts_words=_verdicts_words,
        detected_words=_detected_words,
        change_words=_change_words,
        mark=mark,
        tone=tone,
        # The picture holds numbers and our own CSS classes.
        spark=lambda track: Markup(_spark(track)),  # noqa: S704
        titled=_title,
        utc=utc,
        version=__version__,
    )


def _spark(track: Track) -> str:
    tones = [tone(run.outcome) for run in track.runs]
    return sparkline.svg([run.detected_after for run in track.runs], tones)


def _title(track: Track) -> str:
    """List every run, one line each."""
    return "\n".join(
        f"{utc(run.at)}: {outcome_words(run.outcome)}"
        + ("" if run.detected_after is None else f", fired after {run.detected_after:.1f} s")
        for run in track.runs
    )


def _heading(review: Review) -> str:
    return "Review of all drills" if review.since is None else f"Review of the drills since {utc(review.since)}"


def _counts(review: Review) -> str:
    """Count drills by their result: `12 drills: 9 passed, 2 failed, 1 inconclusive`."""
    parts = [f"{review.exit_codes[code]} {word}" for code, word in OVERALL.items() if review.exit_codes[code]]
    total = f"{review.drills} {'drill' if review.drills == 1 else 'drills'}"
    return f"{total}: {', '.join(parts)}" if parts else total


def _proven(review: Review) -> str:
    return f"{review.alerts - len(review.unproven)} of {review.alerts} alerts proven"


def _unproven_heading(review: Review) -> str:
    return "Never proven" if review.since is None else "Not proven in this time"


def _why(unproven: Unproven) -> str:
    """Return why an alert was not proven."""
    if unproven.last is None:
        return "no drill expects it"
    last = unproven.last
    return f"{outcome_words(last.outcome)} in {last.drill} of {utc(last.at)}: {last.reason}"


def _drill_words(track: Track) -> str:
    """Name the drill, and its time scale unless that is 1."""
    if track.time_scale == 1:
        return track.drill
    return f"{track.drill} \N{MULTIPLICATION SIGN}{track.time_scale:g}"


def _verdicts_words(track: Track) -> str:
    """Count verdicts: `3 passed, 1 late`."""
    return ", ".join(f"{count} {outcome_words(outcome)}" for outcome, count in track.outcomes)


def _proven_words(track: Track) -> str:
    return "never" if track.proven_at is None else utc(track.proven_at)


def _detected_words(track: Track) -> str:
    """Format how long the last detection took; a dash where the alert never fired."""
    return f"{track.detected_after[-1]:.1f} s" if track.detected_after else "—"


def _change_words(track: Track) -> str:
    """Format the difference of the last detection to the median of those before: `+1.2 s`."""
    return "—" if track.change is None else f"{round(track.change, 1) + 0.0:+.1f} s"
