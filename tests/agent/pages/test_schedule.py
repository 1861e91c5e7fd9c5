"""The page of the schedule, without a browser: what is skipped and why, and how much of it is shown."""

from __future__ import annotations

import re
from pathlib import Path

from alertdrill.agent.schedule.journal import Journal, OccurrenceRecord
from tests.support.served_agent import shown


def _words_of_rows(text: str, part: str) -> list[str]:
    """Return the words of each row in a part of the page."""
    body = text.partition(f'id="{part}"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in body.split("<tr>")[1:]]


async def test_what_is_skipped_has_its_reason_in_a_word_and_in_a_sentence(tmp_path: Path) -> None:
    instant = "2026-09-15T10:00:00Z"
    Journal(tmp_path / "kept").add(
        OccurrenceRecord("weekly", instant, instant, "skipped", instant, "paused", "paused by Ada: the release")
    )
    async with shown(tmp_path) as one:
        _, text, _ = await one.ask("GET", "/schedule")
        coming = _words_of_rows(text, "coming")
        assert len(coming) == 2
        assert all("10:00:00 weekly" in row and "skipped (blackout)" in row and "freeze" in row for row in coming)
        (past,) = _words_of_rows(text, "past")
        assert past.startswith("2026-09-15 10:00:00 weekly")
        assert past.endswith("skipped (paused) paused by Ada: the release")
        assert "These are the first" not in text


async def test_the_first_sixty_of_what_comes_are_shown_and_where_the_others_are(tmp_path: Path) -> None:
    hourly = {"name": "weekly", "drills": ["*"], "cron": "0 * * * *"}
    async with shown(tmp_path, schedule={"time_zone": "UTC", "entries": [hourly]}) as one:
        _, text, _ = await one.ask("GET", "/schedule")
        rows = _words_of_rows(text, "coming")
        assert (len(rows), rows) == (60, sorted(rows))
        assert rows[0].endswith("weekly slow-service")
        assert "These are the first 60; <code>alertdrill schedule --days 14</code> shows all." in text
