from __future__ import annotations

import random
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from alertdrill.agent.schedule.occurrences import Timetable, clock_change, delay, instants
from tests.support.schedules import at, entry, schedule
from tests.support.wall_times import BEGIN, CRONS, ZONES, differences

# All expressions in all zones take minutes: `make schedule-proof`.
CASES = 12


@pytest.mark.thorough
def test_the_times_are_those_of_the_rules_in_every_zone_however_they_are_asked_for() -> None:
    """The daemon asks again after each occurrence, from any instant: none may be lost or come twice."""
    chance = random.Random(2026)  # noqa: S311 - a sample
    for cron, name in chance.sample([(cron, name) for name in ZONES for cron in CRONS], CASES):
        assert differences(cron, ZoneInfo(name), chance) == [], (cron, name)


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 2 * * *", "2026-03-29", ["01:00"]),  # 02:30 does not exist: 03:00 summer time
        ("0,30 2 * * *", "2026-03-29", ["01:00"]),  # both would come at the end of the gap
        ("30 2 * * *", "2026-10-25", ["00:30"]),  # 02:30 comes twice, and counts once
        ("*/30 2 * * *", "2026-10-25", ["00:00", "00:30", "01:00", "01:30"]),
        ("0 10 * * *", "2026-10-25", ["09:00"]),
    ],
)
def test_changes_of_the_clock_in_berlin(cron: str, day: str, expected: list[str]) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = at(f"{day}T00:00") - timedelta(hours=1)
    assert [f"{one:%H:%M}" for one in instants(cron, zone, begin, begin + timedelta(hours=14))] == expected


def test_a_daemon_that_starts_within_the_hour_that_comes_twice_runs_nothing_again() -> None:
    zone = ZoneInfo("Europe/Berlin")
    again = at("2026-10-25T01:15")  # 02:15 for the second time
    assert next(instants("30 2 * * *", zone, again, again + timedelta(days=2))) == at("2026-10-26T01:30")


@pytest.mark.parametrize("microseconds", [1, 500_000, 999_999])
def test_asked_between_two_seconds_before_the_clock_changes_it_still_finds_the_next_times(microseconds: int) -> None:
    """Looking for the change once halved a step of less than two seconds for ever."""
    after = at("2026-10-25T00:31") + timedelta(microseconds=microseconds)
    found = list(instants("*/30 * * * *", ZoneInfo("Europe/Berlin"), after, at("2026-10-25T02:00")))
    assert found == [at(f"2026-10-25T{time}") for time in ("01:00", "01:30", "02:00")]


@pytest.mark.parametrize(
    ("cron", "instant", "says"),
    [
        ("30 2 * * *", "2026-10-25T00:30", "02:30 comes twice on this day: it runs the first time only"),
        ("*/30 2 * * *", "2026-10-25T01:30", "02:30 comes twice on this day: it runs both times"),
        (
            "30 2 * * *",
            "2026-03-29T01:00",
            "its time does not exist on this day: it runs when the clock was put forward",
        ),
        ("0 3 * * *", "2026-03-29T01:00", ""),
        ("30 2 * * *", "2026-07-01T00:30", ""),
    ],
)
def test_a_change_of_the_clock_is_told(cron: str, instant: str, says: str) -> None:
    assert clock_change(cron, ZoneInfo("Europe/Berlin"), at(instant)) == says


def test_spread_is_known_beforehand_and_differs_from_time_to_time() -> None:
    spread = entry(spread="20m")
    delays = [delay(spread, at("2026-06-02T08:00") + timedelta(weeks=number)) for number in range(200)]
    assert delays == [delay(spread, at("2026-06-02T08:00") + timedelta(weeks=number)) for number in range(200)]
    assert timedelta(0) <= min(delays) < timedelta(minutes=2)
    assert timedelta(minutes=18) < max(delays) < timedelta(minutes=20)
    assert len(set(delays)) > 150
    assert delay(entry(), at("2026-06-02T08:00")) == timedelta(0)


FREEZE = {"name": "freeze", "from": "2026-12-20", "to": "2027-01-06"}
NIGHTS = {"name": "nights", "cron": "0 18 * * 1-5", "lasts": "15h"}
WEEKENDS = {"name": "weekends", "cron": "0 18 * * 5", "lasts": "63h"}


@pytest.mark.parametrize(
    ("instant", "why"),
    [
        ("2026-12-19T23:30+01:00", ""),
        ("2026-12-20T00:00+01:00", "blackout freeze, until Thu 2027-01-07 00:00 CET"),
        ("2027-01-06T23:59+01:00", "blackout freeze, until Thu 2027-01-07 00:00 CET"),
        ("2027-01-07T00:00+01:00", ""),
        ("2026-06-02T17:59+02:00", ""),
        ("2026-06-02T18:00+02:00", "blackout nights, until Wed 2026-06-03 09:00 CEST"),
        ("2026-06-03T08:59+02:00", "blackout nights, until Wed 2026-06-03 09:00 CEST"),
        ("2026-06-03T09:00+02:00", ""),
        ("2026-06-08T08:30+02:00", "blackout weekends, until Mon 2026-06-08 09:00 CEST"),
    ],
)
def test_blackouts(instant: str, why: str) -> None:
    made = schedule(FREEZE, NIGHTS, WEEKENDS) if "06" in instant[5:7] else schedule(FREEZE)
    skip = Timetable(made).closed(made.entries[0], at(instant))
    assert (skip.why if skip else "") == why
    assert skip is None or skip.reason == "blackout"


def test_guards_and_paused_entries_close_as_well() -> None:
    made = schedule(paused="the team is moving")
    skip = Timetable(made).closed(made.entries[0], BEGIN)
    assert skip is not None
    assert (skip.reason, skip.why) == ("paused", "the entry is paused: the team is moving")
    made = schedule()
    skip = Timetable(made, guard=lambda now: f"not at {now:%H:%M}").closed(made.entries[0], BEGIN)
    assert skip is not None
    assert (skip.reason, skip.why) == ("guard", "not at 00:00")


def due(after: str, now: str, *blackouts: dict[str, str], **values: object) -> list[tuple[str, str]]:
    made = schedule(*blackouts, zone="UTC", **values)
    found = Timetable(made).due(made.entries[0], at(after), at(now))
    return [(f"{one.instant:%d %H:%M}", "runs" if skip is None else skip.reason) for one, skip in found]


def test_nothing_is_due_before_its_time() -> None:
    assert due("2026-06-01T00:00", "2026-06-01T09:59", cron="0 10 * * *") == []
    assert due("2026-06-01T00:00", "2026-06-01T10:00", cron="0 10 * * *") == [("01 10:00", "runs")]


def test_a_start_may_be_late_but_not_too_late() -> None:
    assert due("2026-06-01T00:00", "2026-06-01T10:30", cron="0 10 * * *", late_by="30m") == [("01 10:00", "runs")]
    assert due("2026-06-01T00:00", "2026-06-01T10:31", cron="0 10 * * *", late_by="30m") == [("01 10:00", "missed")]


def test_after_a_long_sleep_each_occurrence_has_its_reason_and_only_the_last_one_runs() -> None:
    found = due(
        "2026-06-01T00:00",
        "2026-06-04T10:05",
        {"name": "day", "from": "2026-06-02", "to": "2026-06-02"},
        cron="0 10 * * *",
    )
    assert found == [("01 10:00", "missed"), ("02 10:00", "blackout"), ("03 10:00", "missed"), ("04 10:00", "runs")]


def test_a_late_start_that_would_fall_into_a_blackout_does_not_run() -> None:
    nights = {"name": "nights", "cron": "0 18 * * *", "lasts": "12h"}
    assert due("2026-06-01T00:00", "2026-06-01T18:10", nights, cron="30 17 * * *") == [("01 17:30", "blackout")]


def test_an_agent_that_slept_for_a_year_is_not_stuck() -> None:
    found = due("2025-06-01T00:00", "2026-06-01T00:00", cron="0 * * * *")
    assert len(found) == 365 * 24
    assert [state for _, state in found[-2:]] == ["missed", "runs"]


def test_an_occurrence_is_not_due_before_its_part_of_the_spread_is_over() -> None:
    made = schedule(cron="0 10 * * *", spread="2h", zone="UTC")
    one = Timetable(made).next_after(made.entries[0], at("2026-06-01T00:00"))
    assert one is not None
    for now, expected in ((one.starts_at - timedelta(seconds=1), []), (one.starts_at, [(one, None)])):
        assert Timetable(made).due(made.entries[0], at("2026-06-01T00:00"), now) == expected
