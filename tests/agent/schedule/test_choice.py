from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from alertdrill.agent.config.daemon import Freshness
from alertdrill.agent.schedule.choice import EarlierDrills, chosen, needed_by, planned
from alertdrill.agent.schedule.occurrences import Occurrence, Skip, Timetable
from tests.support.schedules import at, drill, entry, schedule

NOW = at("2026-06-02T08:00")
FRESH = Freshness.model_validate({"prove_within": {"critical": "30d", "warning": "90d"}})


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def names(memory: EarlierDrills, *drills: Any, **values: Any) -> list[str] | str:
    found = chosen(Occurrence(entry(**values), NOW, NOW), drills, memory, FRESH)
    return found.why if isinstance(found, Skip) else [one.name for one in found]


CRITICAL, WARNING = drill("critical", "Down", severity="critical"), drill("warning", "Slow", severity="warning")
NEVER = drill("never", "Odd", severity="warning")


def test_the_stalest_comes_first_by_the_time_that_its_severity_allows() -> None:
    memory = EarlierDrills({"Down": {"critical": ago(10)}, "Slow": {"warning": ago(50)}})
    assert needed_by(CRITICAL, memory, FRESH) == ago(-20)
    assert needed_by(WARNING, memory, FRESH) == ago(-40)
    assert names(memory, WARNING, CRITICAL, NEVER, order="stalest") == ["never", "critical", "warning"]
    assert names(memory, WARNING, CRITICAL, NEVER, order="stalest", most=2) == ["never", "critical"]
    assert names(memory, WARNING, CRITICAL, NEVER) == ["warning", "critical", "never"]


def test_a_drill_is_as_stale_as_its_stalest_alert() -> None:
    both = drill("both", "Slow", "Odd", severity="warning")
    assert needed_by(both, EarlierDrills({"Slow": {"warning": ago(1)}}), FRESH) < ago(36_500)


def test_a_drill_that_never_proves_its_alert_does_not_keep_the_others_from_their_turn() -> None:
    memory, often = EarlierDrills(), {"never": 0, "critical": 0, "warning": 0}
    for day in range(180):
        now = NOW + timedelta(days=day)
        one = Occurrence(entry(order="stalest", most=1), now, now)
        found = chosen(one, [NEVER, CRITICAL, WARNING], memory, FRESH)
        assert not isinstance(found, Skip)
        often[found[0].name] += 1
        proven = memory.with_run(found[0], now)
        memory = EarlierDrills(memory.proven, proven.ran) if found[0] is NEVER else proven
        if day > 3:
            assert needed_by(CRITICAL, memory, FRESH) > now
            assert needed_by(WARNING, memory, FRESH) > now
    assert often["critical"] >= 6
    assert often["warning"] >= 2


def test_what_needs_no_proof_yet_is_left_out_if_the_entry_says_so() -> None:
    memory = EarlierDrills({"Down": {"critical": ago(25)}, "Slow": {"warning": ago(50)}})
    assert names(memory, WARNING, CRITICAL, due_within="7d") == ["critical"]
    assert names(memory, WARNING, CRITICAL, due_within="1d") == "nothing needs a new proof within 1d"


def test_an_alert_of_unknown_severity_counts_as_the_longest_allowed() -> None:
    assert needed_by(drill("plain", "Slow"), EarlierDrills({"Slow": {"": ago(1)}}), FRESH) == ago(-89)
    assert needed_by(drill("plain", "Slow"), EarlierDrills({"Slow": {"critical": ago(1)}}), FRESH) == ago(-29)


def test_a_control_drill_has_its_turn_by_its_last_run() -> None:
    assert needed_by(drill("control"), EarlierDrills(ran={"control": ago(3)}), FRESH) == ago(-87)


def test_a_shuffled_order_is_the_same_each_time_and_another_for_another_occurrence() -> None:
    drills = [drill(f"d{number}", f"A{number}") for number in range(9)]
    first = names(EarlierDrills(), *drills, order="shuffled")
    assert names(EarlierDrills(), *drills, order="shuffled") == first
    assert sorted(first) == [one.name for one in drills]
    later = Occurrence(entry(order="shuffled"), NOW + timedelta(days=7), NOW)
    found = chosen(later, drills, EarlierDrills(), FRESH)
    assert not isinstance(found, Skip)
    assert [one.name for one in found] != first


def test_the_preview_shows_whose_turn_it_is_what_is_skipped_and_what_may_overlap() -> None:
    made = schedule(
        {"name": "freeze", "from": "2026-06-23", "to": "2026-06-24"}, cron="*/30 8 * * TUE", order="stalest", most=1
    )
    rows = list(
        planned(Timetable(made), {"weekly": [CRITICAL, WARNING]}, EarlierDrills(), FRESH, NOW, NOW + timedelta(days=21))
    )
    assert [row.drills for row in rows[:4]] == [("critical",), ("warning",), ("critical",), ("critical",)]
    assert [row.skip.reason for row in rows if row.skip] == ["blackout", "blackout"]
    assert rows[0].notes == ()
    assert rows[1].notes == ("weekly may run until Tue 2026-06-09 08:32 CEST: if it does, this one is skipped",)
