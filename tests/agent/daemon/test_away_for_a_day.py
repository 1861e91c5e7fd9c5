"""Prometheus, or the target, is away for a whole day, which passes in virtual time. The loop starts at 14:13:20 UTC."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from alertdrill.agent.daemon.telling import Found, Telling
from alertdrill.agent.history.index import HistorySummary
from alertdrill.agent.recording.records import NotificationRecord
from alertdrill.agent.schedule.journal import Journal
from tests.agent.daemon.test_scheduling import ENDED, Agent
from tests.agent.drilling.virtual_site import World
from tests.support.virtual_time import in_virtual_time
from tests.support.waiting import running

HOUR = 3600.0
DAY = 24 * HOUR
# At 14:14:13 the fault of the first drill is in force.
IN_THE_FAULT = 53.0
UNKNOWN = (("slow-service", 3),)


def live_objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def through_the_day(agent: Agent, set_away: Callable[[bool], None]) -> tuple[int, int]:
    """Let something be away for a day, from the fault of a drill on, and be back for the last drill.

    Returns how many lines were told while it was away, and how many objects more there were after all but two hours.
    """

    async def main() -> tuple[int, int]:
        async with agent.running():
            await asyncio.sleep(IN_THE_FAULT)
            told = len(agent.world.lines)
            set_away(True)
            await asyncio.sleep(2 * HOUR)
            before = live_objects()
            await asyncio.sleep(DAY - 2 * HOUR)
            more, told = live_objects() - before, len(agent.world.lines) - told
            set_away(False)
            await asyncio.sleep(HOUR + 60)
            return told, more

    # Nothing outside of the loop is waited for, so it need not look around so often before each step.
    return in_virtual_time(main)


def hourly(folder: Path) -> Agent:
    """Return an agent with a drill in each hour, and a load of one transaction a second."""
    agent = Agent(folder, {"cron": "14 * * * *"})
    agent.rate = 1
    return agent


def what_always_holds(agent: Agent, more_objects: int) -> None:
    world = agent.world
    assert world.service.faults_in_force == 0
    assert world.service.counted(IN_THE_FAULT, IN_THE_FAULT + DAY)[0] == pytest.approx(DAY, abs=1)
    # Some for each drill, until the history has written it; none for each of 79,200 looks at the time or transactions.
    assert more_objects < 5_000
    # Since when the entry is watched; and of each occurrence its begin and its end.
    journal = world.folder / "kept" / "occurrences.jsonl"
    assert len(journal.read_bytes().splitlines()) == 1 + 2 * 26


def test_without_prometheus_each_occurrence_has_its_reason_and_nothing_grows(tmp_path: Path) -> None:
    agent = hourly(tmp_path)
    told, more_objects = through_the_day(agent, partial(setattr, agent.world.prometheus, "is_away"))
    first, *skipped, last = Journal(tmp_path / "kept").records.values()
    assert (first.state, first.verdicts) == ("done", UNKNOWN)
    why = ("skipped", "target", "Prometheus does not answer")
    assert [(one.state, one.reason, one.why) for one in skipped] == [why] * 24
    assert (last.state, last.verdicts) == ("done", ENDED)
    # Three for each drill, and those of the drill that was under way.
    assert told <= 3 * 24 + 5
    what_always_holds(agent, more_objects)


def test_without_the_target_each_drill_is_inconclusive_and_nothing_grows(tmp_path: Path) -> None:
    agent = hourly(tmp_path)
    told, more_objects = through_the_day(agent, partial(setattr, agent.world.service, "is_failing"))
    _, *inconclusive, last = Journal(tmp_path / "kept").records.values()
    assert [(one.state, one.verdicts) for one in inconclusive] == [("done", UNKNOWN)] * 24
    assert (last.state, last.verdicts) == ("done", ENDED)
    assert len(agent.recordings) == 26
    # One for each step of a drill, and none for a failure.
    assert told <= 10 * 25
    what_always_holds(agent, more_objects)


def test_a_watchdog_alert_that_stays_away_for_a_day_is_told_once_and_so_is_its_return(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.config = {"watchdog_alert": {"alert": "Watchdog", "every": "5m"}, "recordings": tmp_path / "kept"}
    world.prometheus.is_away = True
    labels = {"alertname": "Watchdog"}
    call = NotificationRecord(
        received_at=0, receiver="watchdog", status="firing", labels=labels, starts_at=0, ends_at=None
    )

    async def main() -> None:
        async with world.site() as site:
            telling = Telling(site, lambda: Found(HistorySummary(), 0, "", "", is_reloaded=True), world.tell)
            async with running(telling.run()):
                site.heard([call])
                await asyncio.sleep(DAY)
                site.heard([call])
                await asyncio.sleep(60)

    in_virtual_time(main)
    problem, solved = (line for _, line in world.lines)
    assert problem.startswith("problem: the alert Watchdog was not received for 7m")
    assert solved == "solved: the alert Watchdog is received"
