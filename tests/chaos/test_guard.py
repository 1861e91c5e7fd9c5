"""The limits of drills: targets, number of faults, and times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from alertdrill.chaos.guard import Blackout, Guards, Hours
from alertdrill.chaos.toxiproxy.latency import Latency, Ramp

OFFICE = Hours(time_zone="Europe/Berlin", days=("mon", "tue", "wed", "thu", "fri"), begin="09:00", end="17:00")
NIGHT = Hours(time_zone="UTC", days=("fri",), begin="22:00", end="02:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def fault(begin: int, lasts: int | None, ramp: Ramp | None = None) -> Latency:
    span = "until-fired" if lasts is None else timedelta(seconds=lasts)
    return Latency(proxy="db", latency=timedelta(seconds=1), at=timedelta(seconds=begin), lasts=span, ramp=ramp)


@pytest.mark.parametrize(
    ("hours", "instant", "inside"),
    [
        (OFFICE, "2026-11-25T08:00:00+00:00", True),  # nine in Berlin, in winter
        (OFFICE, "2026-11-25T07:59:59+00:00", False),
        (OFFICE, "2026-07-01T07:00:00+00:00", True),  # nine in Berlin, in summer
        (OFFICE, "2026-11-25T15:59:59+00:00", True),
        (OFFICE, "2026-11-25T16:00:00+00:00", False),
        (OFFICE, "2026-11-28T10:00:00+00:00", False),  # a Saturday
        (NIGHT, "2026-11-27T22:00:00+00:00", True),
        (NIGHT, "2026-11-28T01:59:00+00:00", True),  # still Friday's night
        (NIGHT, "2026-11-27T01:00:00+00:00", False),  # Thursday's night
        (NIGHT, "2026-11-28T02:00:00+00:00", False),
        (Hours(time_zone="UTC"), "2026-11-28T00:00:00+00:00", True),
    ],
)
def test_hours_are_those_of_their_time_zone(hours: Hours, instant: str, inside: bool) -> None:  # noqa: FBT001 - a case
    assert hours.include(at(instant)) is inside


def test_outside_the_hours_the_message_has_the_local_time_and_the_hours() -> None:
    problem = Guards(hours=OFFICE).time_problem(at("2026-11-28T10:00:00+00:00"))
    assert problem == (
        "it is Sat 11:00 in Europe/Berlin, and drills run 09:00-17:00 on mon, tue, wed, thu, fri (guards.hours)"
    )


@pytest.mark.parametrize(
    ("instant", "problem"),
    [
        ("2026-11-26T23:59:59+00:00", ""),
        ("2026-11-27T00:00:00+00:00", "no drill until 2026-12-01 00:00 UTC: the sale (guards.blackouts)"),
        ("2026-11-30T23:59:59+00:00", "no drill until 2026-12-01 00:00 UTC: the sale (guards.blackouts)"),
        ("2026-12-01T00:00:00+00:00", ""),
    ],
)
def test_a_blackout_holds_to_the_end_of_its_last_day(instant: str, problem: str) -> None:
    guards = Guards(blackouts=(Blackout(begin=date(2026, 11, 27), end=date(2026, 11, 30), why="the sale"),))
    assert guards.time_problem(at(instant)) == problem


def test_a_blackout_may_have_instants() -> None:
    blackout = Blackout(begin=datetime(2026, 11, 27, 8, tzinfo=UTC), end=datetime(2026, 11, 27, 9, tzinfo=UTC), why="x")
    assert Guards(blackouts=(blackout,)).time_problem(at("2026-11-27T08:30:00+00:00"))
    assert not Guards(blackouts=(blackout,)).time_problem(at("2026-11-27T09:00:00+00:00"))


@pytest.mark.parametrize(
    ("guards", "problem"),
    [
        ({}, ""),
        ({"allowed": ["proxy db *"]}, ""),
        ({"allowed": ["proxy cache *", "pod *"]}, "is in none of guards.allowed: 'proxy cache *', 'pod *'"),
        ({"forbidden": ["*db*"]}, "is forbidden by guards.forbidden: '*db*'"),
        ({"allowed": ["*"], "forbidden": ["proxy *"]}, "is forbidden by guards.forbidden: 'proxy *'"),
        ({"allowed": []}, "is in none of guards.allowed: "),
    ],
)
def test_forbidden_comes_before_allowed(guards: dict[str, list[str]], problem: str) -> None:
    target = "proxy db (downstream)"
    said = Guards.model_validate(guards).target_problem(target, target)
    assert said == (f"proxy db (downstream) {problem}" if problem else "")


WRITTEN, FOUND = "nodes pool=drill", "nodes node-1, node-2"


@pytest.mark.parametrize(
    ("guards", "problem"),
    [
        ({"allowed": [WRITTEN]}, ""),
        ({"allowed": [FOUND]}, ""),
        ({"allowed": ["nodes pool=test", "nodes node-3"]}, f"{FOUND} is in none of guards.allowed: "),
        ({"forbidden": ["*pool=drill"]}, f"{WRITTEN} is forbidden by guards.forbidden: "),
        ({"forbidden": ["*node-2*"]}, f"{FOUND} is forbidden by guards.forbidden: "),
        ({"allowed": [WRITTEN], "forbidden": [FOUND]}, f"{FOUND} is forbidden by guards.forbidden: "),
    ],
)
def test_a_target_is_allowed_or_forbidden_as_it_is_written_or_found(guards: dict[str, list[str]], problem: str) -> None:
    said = Guards.model_validate(guards).target_problem(WRITTEN, FOUND)
    assert said.startswith(problem)
    assert bool(said) == bool(problem)


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ([fault(0, 10), fault(10, 10), fault(20, 10)], ""),
        ([fault(0, 11), fault(10, 10)], "2 faults at once, guards.most_faults allows 1"),
        ([fault(0, None), fault(1000, 10)], "2 faults at once, guards.most_faults allows 1"),
        ([fault(0, 60, Ramp(steps=10, over=timedelta(seconds=60)))], ""),
    ],
)
def test_faults_are_counted_at_the_worst_instant_and_steps_are_one(faults: list[Latency], problem: str) -> None:
    assert Guards(most_faults=1).count_problem(faults) == problem


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hours": {"time_zone": "Europe/Berln"}}, "'Europe/Berln' is not a time zone, expected one such as"),
        (
            {"hours": {"time_zone": "UTC", "begin": 570}},
            '570 is not a time of day, expected one in quotes such as "09:30"',
        ),
        ({"hours": {"time_zone": "UTC", "days": ["someday"]}}, "Input should be 'mon'"),
        ({"blackouts": [{"begin": "2026-11-30", "end": "2026-11-27", "why": "x"}]}, "before it begins at 2026-11-30"),
        ({"blackouts": [{"begin": "2026-11-27", "end": "2026-11-30"}]}, "Field required"),
        ({"most_faults": 0}, "greater than 0"),
    ],
)
def test_malformed_guards_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Guards.model_validate(settings)
    assert said in str(error.value)
