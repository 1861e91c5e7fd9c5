"""The words that all forms of a review share."""

from __future__ import annotations

from alertdrill.agent.report.review.review import Review, Track, Unproven
from alertdrill.agent.report.words import OVERALL, outcome_words, utc


def heading(review: Review) -> str:
    """Name the stretch of time."""
    return "Review of all drills" if review.since is None else f"Review of the drills since {utc(review.since)}"


def counts(review: Review) -> str:
    """Count drills by how they ended: `12 drills: 9 passed, 2 failed, 1 inconclusive`."""
    parts = [f"{review.exit_codes[code]} {word}" for code, word in OVERALL.items() if review.exit_codes[code]]
    told = f"{review.drills} {'drill' if review.drills == 1 else 'drills'}"
    return f"{told}: {', '.join(parts)}" if parts else told


def proven(review: Review) -> str:
    """Count the alerts that were proven."""
    return f"{review.alerts - len(review.unproven)} of {review.alerts} alerts proven"


def unproven_heading(review: Review) -> str:
    """Say what an alert without proof is called."""
    return "Never proven" if review.since is None else "Not proven in this time"


def why(unproven: Unproven) -> str:
    """Say why an alert was not proven."""
    if unproven.last is None:
        return "no drill expects it"
    last = unproven.last
    return f"{outcome_words(last.outcome)} in {last.drill} of {utc(last.at)}: {last.reason}"


def drill_words(track: Track) -> str:
    """Name the drill, and its time scale where that is another than 1."""
    if track.time_scale == 1:
        return track.drill
    return f"{track.drill} \N{MULTIPLICATION SIGN}{track.time_scale:g}"


def verdicts_words(track: Track) -> str:
    """Count verdicts: `3 passed, 1 late`."""
    return ", ".join(f"{count} {outcome_words(outcome)}" for outcome, count in track.outcomes)


def proven_words(track: Track) -> str:
    """Say when it passed last."""
    return "never" if track.proven_at is None else utc(track.proven_at)


def detected_words(track: Track) -> str:
    """Say how long the last detection took; a dash where it never fired."""
    return f"{track.detected_after[-1]:.1f} s" if track.detected_after else "—"


def change_words(track: Track) -> str:
    """Say how the last detection differs from the median of those before: `+1.2 s`."""
    return "—" if track.change is None else f"{round(track.change, 1) + 0.0:+.1f} s"
