"""The digest: a review of the drills of a week, in the words of `alertdrill review`."""

from __future__ import annotations

from pathlib import Path

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history.connection import HistoryUnavailable
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import reviewed, unreadable
from alertdrill.agent.recording.recording import named_instant
from alertdrill.agent.report.review import forms
from alertdrill.agent.report.review.review import Review, review, run_result
from alertdrill.units.text import one_line


def digest(history: HistorySettings, recordings: Path, since: float, until: float) -> tuple[str, str]:
    """Return the title and the text, which is Markdown, from the history."""
    try:
        made = _reviewed(history, recordings, since, until)
    except (HistoryUnavailable, ConfigError) as error:
        return "the history cannot be read, so there is no review of this week", one_line(error)
    drills = f"{made.drills} drill{'' if made.drills == 1 else 's'} in seven days"
    unproven = f"{len(made.unproven)} of {made.alerts} alerts not proven" if made.alerts else "no alert was seen"
    return f"{drills}, {unproven}", forms.as_markdown(made)


def _reviewed(history: HistorySettings, recordings: Path, since: float, until: float) -> Review:
    with opened(history, recordings) as database:
        found, problems = reviewed(database, since), unreadable(database)
    damaged = [text for path, text in problems if since <= (named_instant(Path(path)) or until) <= until]
    return review(
        [run_result(one) for one in found if one.started_at <= until], until=until, since=since, damaged=damaged
    )
