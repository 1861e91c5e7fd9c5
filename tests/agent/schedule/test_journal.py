from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.schedule.journal import BlackoutLine, Journal, OccurrenceRecord, recorded
from alertdrill.agent.schedule.occurrences import Blackout, Occurrence, Pause, Skip, Timetable
from alertdrill.units.text import utc_text
from tests.support.schedules import at, entry, schedule

NOW = at("2026-06-02T08:00")
FIRST = Occurrence(entry(), NOW, NOW)
SECOND = Occurrence(entry(), NOW + timedelta(weeks=1), NOW + timedelta(weeks=1))


def states(journal: Journal) -> list[tuple[str, str]]:
    return [(one.instant[:10], one.state) for one in journal.records.values()]


def test_the_newest_line_of_an_occurrence_holds(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new")
    journal.add(recorded(FIRST, "running", NOW))
    done = replace(recorded(FIRST, "done", NOW), verdicts=(("slow", 0), ("down", 1)))
    journal.add(done, recorded(SECOND, "skipped", NOW, Skip("blackout", "freeze")))
    again = Journal(tmp_path / "new")
    assert states(again) == [("2026-06-02", "done"), ("2026-06-09", "skipped")]
    assert again.records[done.key] == done
    assert (tmp_path / "new" / "occurrences.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_new_entry_and_a_changed_expression_are_watched_from_now_on(tmp_path: Path) -> None:
    journal, later = Journal(tmp_path), NOW + timedelta(days=3)
    assert journal.watched_since(entry(), NOW) == NOW
    assert Journal(tmp_path).watched_since(entry(), later) == NOW
    changed = entry(cron="0 11 * * TUE")
    assert Journal(tmp_path).watched_since(changed, later) == later
    assert Journal(tmp_path).watched_since(changed, later + timedelta(days=1)) == later


def test_what_was_decided_on_is_not_looked_at_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.watched_since(entry(), NOW - timedelta(days=1))
    journal.add(recorded(SECOND, "skipped", SECOND.instant))
    assert Journal(tmp_path).watched_since(entry(), SECOND.instant) == SECOND.instant


def test_what_was_decided_on_by_a_clock_that_was_ahead_is_looked_at_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.watched_since(entry(), NOW - timedelta(days=1))
    journal.add(recorded(SECOND, "skipped", SECOND.instant))
    assert Journal(tmp_path).watched_since(entry(), NOW) == NOW
    assert Journal(tmp_path).watched_since(entry(), NOW + timedelta(days=1)) == NOW


def test_an_occurrence_that_ran_when_its_agent_died_is_interrupted(tmp_path: Path) -> None:
    Journal(tmp_path).add(recorded(FIRST, "running", NOW), recorded(SECOND, "done", NOW))
    left = Journal(tmp_path).interrupt_running(NOW, "the agent ended")
    assert [(one.instant, one.state, one.why) for one in left] == [
        ("2026-06-02T08:00:00Z", "interrupted", "the agent ended")
    ]
    assert states(Journal(tmp_path)) == [("2026-06-02", "interrupted"), ("2026-06-09", "done")]
    assert Journal(tmp_path).interrupt_running(NOW, "again") == []


def test_a_line_that_a_crash_cut_off_is_passed_over_and_the_next_one_is_whole(tmp_path: Path) -> None:
    """Wherever it is cut: no occurrence may vanish but the one of that line, and none may be made up."""
    Journal(tmp_path / "whole").add(recorded(FIRST, "done", NOW), recorded(SECOND, "running", NOW))
    content = (tmp_path / "whole" / "occurrences.jsonl").read_bytes()
    begin = content.index(b"\n") + 1
    for cut in range(begin, len(content)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "occurrences.jsonl").write_bytes(content[:cut])
        journal = Journal(folder)
        assert states(journal)[0] == ("2026-06-02", "done")
        third = replace(recorded(SECOND, "skipped", NOW), entry="other")
        journal.add(third)
        assert Journal(folder).records[third.key] == third
        assert all(isinstance(one, OccurrenceRecord) for one in Journal(folder).records.values())


def test_a_long_journal_is_shortened_and_keeps_what_is_newest(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.watched_since(entry(), NOW)
    weeks = [Occurrence(entry(), NOW + timedelta(weeks=n), NOW) for n in range(100)]
    journal.add(*(recorded(one, "done", NOW) for one in weeks))
    journal.shorten(most_records=100)
    assert len(Journal(tmp_path).records) == 100
    journal.shorten(most_records=99)
    again = Journal(tmp_path)
    assert len(again.records) == 50
    assert again.watched_since(entry(), weeks[-1].instant) == weeks[-1].instant


def test_a_blackout_that_was_ordered_lasts_over_a_restart_until_it_is_over_or_ended(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    one = Blackout("20260602T080000Z", NOW + hour, NOW + 2 * hour, "the migration", "Ada")
    Journal(tmp_path).set_blackout(one)
    again = Journal(tmp_path)
    assert again.blackouts(NOW) == (one,)
    table = Timetable(schedule(), ordered=again.blackouts(NOW))
    skip = table.closed(entry(), one.begins_at)
    assert skip is not None
    assert (skip.reason, skip.why) == ("blackout", "blackout by Ada until 2026-06-02 10:00 UTC: the migration")
    assert [table.closed(entry(), at) for at in (NOW, one.ends_at)] == [None, None]
    again.add(recorded(FIRST, "done", NOW))
    again.shorten(most_records=0)
    assert Journal(tmp_path).blackouts(NOW) == (one,)
    assert Journal(tmp_path).blackouts(one.ends_at) == ()
    again.set_blackout(replace(one, ends_at=NOW))
    assert Journal(tmp_path).blackouts(NOW) == ()


def test_of_many_blackouts_those_that_ended_first_are_left_out(tmp_path: Path) -> None:
    """As many as releases have in a year, each with its own; one that is to come stays, and so does all else."""
    hour = timedelta(hours=1)
    ends = [NOW + number * hour for number in range(1, 5_001)]
    coming = Blackout("coming", NOW + 6_000 * hour, NOW + 6_001 * hour, "the sale", "Ada")
    pause = Pause(NOW + hour, "the release", "Ada")
    journal = Journal(tmp_path)
    journal.watched_since(entry(), NOW)
    journal.add(recorded(FIRST, "done", NOW))
    journal.set_pause(pause, NOW)
    journal.set_blackout(coming)
    lines = [BlackoutLine(utc_text(end), utc_text(end - hour), utc_text(end), "a release", "CI") for end in ends]
    for number in range(0, len(lines), 100):
        journal.add(*lines[number : number + 100])
    for one in (journal, Journal(tmp_path)):
        assert one.blackouts(ends[-1]) == (coming,)
        assert [line.ends_at for line in one.blackouts(ends[-2])] == [ends[-1], coming.ends_at]
        assert len(one.blackouts(NOW)) <= 400
        assert (states(one), one.pause, one.watched_since(entry(), NOW)) == ([("2026-06-02", "done")], pause, NOW)
    assert len(journal.path.read_bytes().splitlines()) < 410


def test_a_pause_lasts_over_a_restart_until_it_is_ended(tmp_path: Path) -> None:
    pause = Pause(NOW + timedelta(hours=2), "the release", "Ada")
    Journal(tmp_path).set_pause(pause, NOW)
    assert Journal(tmp_path).pause == pause
    assert pause.why == "paused by Ada until 2026-06-02 10:00 UTC: the release"
    table = Timetable(schedule(), pause=pause)
    skip = table.closed(entry(), NOW)
    assert skip is not None
    assert (skip.reason, skip.why) == ("paused", pause.why)
    assert table.closed(entry(), pause.until) is None
    again = Journal(tmp_path)
    again.add(recorded(FIRST, "done", NOW))
    again.shorten(most_records=0)
    assert Journal(tmp_path).pause == pause
    Journal(tmp_path).set_pause(None, NOW)
    assert Journal(tmp_path).pause is None


def test_a_journal_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "occurrences.jsonl").mkdir()
    with pytest.raises(ConfigError, match=r"occurrences\.jsonl: cannot be read: Is a directory"):
        Journal(tmp_path)
