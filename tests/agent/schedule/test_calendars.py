from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alertdrill.agent.config.calendars import Calendars, read_calendars
from alertdrill.agent.errors import ConfigError
from tests.support.schedules import at

BERLIN = ZoneInfo("Europe/Berlin")


def calendar(folder: Path, *events: str) -> Calendars:
    """Write a calendar of events whose lines are separated by semicolons and spaces, and read it."""
    path = folder / "a.ics"
    body = "".join(f"BEGIN:VEVENT\r\nUID:{number}\r\n{one}\r\nEND:VEVENT\r\n" for number, one in enumerate(events))
    path.write_text(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\n{body}END:VCALENDAR\r\n")
    return read_calendars([path], BERLIN)


def is_closed(calendars: Calendars, *instants: str) -> list[bool]:
    return [calendars.at(at(one)) is not None for one in instants]


def lines(*lines: str) -> str:
    return "\r\n".join(lines)


def test_a_day_is_closed_from_midnight_to_midnight_in_the_zone_of_the_schedule(tmp_path: Path) -> None:
    days = calendar(tmp_path, lines("SUMMARY:Labour Day", "DTSTART;VALUE=DATE:20260501", "TRANSP:TRANSPARENT"))
    assert is_closed(days, "2026-04-30T23:59+02:00", "2026-05-01T00:00+02:00", "2026-05-01T23:59+02:00") == [
        False,
        True,
        True,
    ]
    span = days.at(at("2026-05-01T12:00"))
    assert span is not None
    assert (span.name, span.ends_at) == ("Labour Day", at("2026-05-01T22:00"))


def test_events_repeat_at_their_wall_time_right_across_summer_time(tmp_path: Path) -> None:
    weekly = calendar(
        tmp_path,
        lines(
            "SUMMARY:Release",
            "DTSTART;TZID=Europe/Berlin:20260302T100000",
            "DTEND;TZID=Europe/Berlin:20260302T110000",
            "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20260427T220000Z",
            "EXDATE;TZID=Europe/Berlin:20260406T100000",
        ),
    )
    winter, summer = "2026-03-23T10:30+01:00", "2026-03-30T10:30+02:00"
    assert is_closed(weekly, winter, summer, "2026-03-30T09:30+02:00") == [True, True, False]
    assert is_closed(weekly, "2026-04-06T10:30+02:00", "2026-04-27T10:30+02:00", "2026-05-04T10:30+02:00") == [
        False,
        True,
        False,
    ]


def test_a_yearly_day_of_long_ago_and_one_from_another_zone(tmp_path: Path) -> None:
    both = calendar(
        tmp_path,
        lines("DTSTART;VALUE=DATE:19900103", "DTEND;VALUE=DATE:19900104", "RRULE:FREQ=YEARLY"),
        lines("DTSTART;TZID=America/New_York:20260610T090000", "DURATION:PT2H"),
    )
    assert is_closed(both, "2027-01-03T12:00+01:00", "2027-01-04T12:00+01:00") == [True, False]
    assert is_closed(both, "2026-06-10T12:59Z", "2026-06-10T13:00Z", "2026-06-10T15:00Z") == [False, True, False]


def test_the_names_of_zones_in_outlook_are_known(tmp_path: Path) -> None:
    one = calendar(tmp_path, lines("DTSTART;TZID=W. Europe Standard Time:20260610T090000", "DURATION:PT1H"))
    assert is_closed(one, "2026-06-10T09:30+02:00", "2026-06-10T09:30Z") == [True, False]


def test_a_moved_event_counts_at_its_new_time_only_and_a_cancelled_one_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "moved.ics"
    series = lines("UID:s", "DTSTART:20260601T080000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=4")
    moved = lines("UID:s", "RECURRENCE-ID:20260602T080000Z", "DTSTART:20260602T140000Z", "DURATION:PT1H")
    gone = lines("UID:s", "RECURRENCE-ID:20260603T080000Z", "DTSTART:20260603T080000Z", "STATUS:CANCELLED")
    events = "".join(f"BEGIN:VEVENT\r\n{one}\r\nEND:VEVENT\r\n" for one in (series, moved, gone))
    path.write_text(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\n{events}END:VCALENDAR\r\n")
    found = read_calendars([path], BERLIN)
    mornings = [f"2026-06-0{day}T08:30Z" for day in range(1, 6)]
    assert is_closed(found, *mornings) == [True, False, False, True, False]
    assert is_closed(found, "2026-06-02T14:30Z") == [True]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hello", "is not a calendar"),
        ("BEGIN:VEVENT\r\nSUMMARY:Odd\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n", "the event 'Odd' cannot be read"),
        (
            "BEGIN:VEVENT\r\nSUMMARY:Odd\r\nDTSTART:20260101T000000Z\r\nRRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\n",
            "it repeats SECONDLY, expected DAILY, WEEKLY, MONTHLY or YEARLY",
        ),
        ("BEGIN:VEVENT\r\nRECURRENCE-ID:odd\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\n", "is not a calendar"),
        (
            "BEGIN:VEVENT\r\nSUMMARY:Odd\r\nDTSTART:20260101T000000Z\r\nDURATION:P99999W\r\nEND:VEVENT\r\n",
            "it begins before 1900, or lasts longer than ten years",
        ),
        (
            "BEGIN:VEVENT\r\nSUMMARY:Odd\r\nDTSTART;VALUE=DATE:00010101\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n",
            "it begins before 1900",
        ),
        ("BEGIN:VEVENT\r\nSUMMARY:Odd\r\nDTSTART:yesterday\r\nEND:VEVENT\r\n", "the event 'Odd' cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_file(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "odd.ics"
    whole = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{content}END:VCALENDAR\r\n"
    path.write_text(whole if "BEGIN" in content else content)
    with pytest.raises(ConfigError, match=says) as told:
        read_calendars([path, tmp_path / "none.ics"], BERLIN)
    assert len(told.value.problems) == 2
    assert all(one.startswith(str(tmp_path)) for one in told.value.problems)


def test_no_calendar_closes_nothing() -> None:
    assert Calendars().at(datetime.now(BERLIN)) is None
