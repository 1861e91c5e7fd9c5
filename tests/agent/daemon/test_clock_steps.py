"""The wall clock jumps by hours: the machine was suspended, or its clock was set. It happens in virtual time.

The loop starts on 2026-09-21 at 14:13:20 UTC, so 14:14:00 is 40 s later.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.schedule.journal import Journal
from alertdrill.agent.schedule.occurrences import Pause
from tests.agent.daemon.test_scheduling import ENDED, FIRST, Agent
from tests.agent.drilling.virtual_site import set_forward
from tests.support.schedules import at
from tests.support.virtual_time import in_virtual_time

HOUR = 3600.0
HOURLY = "14 * * * *"
# The fault seems to have lasted for hours.
UNKNOWN = (("slow-service", 3),)


def steps(agent: Agent, folder: Path, act: Callable[[Any], Awaitable[None]]) -> None:
    """Run an agent beside an act, and check what always holds: one end for each occurrence, and none ran twice."""

    async def main() -> None:
        async with agent.running() as scheduler:
            await act(scheduler)

    in_virtual_time(main)
    text = (folder / "kept" / "occurrences.jsonl").read_text()
    # What is over counts as decided on again after a clock was set back: its line is written once more.
    lines = [json.loads(line) for line in dict.fromkeys(text.splitlines())]
    states = Counter((one["entry"], one["instant"], one["state"]) for one in lines if "state" in one)
    assert set(states.values()) == {1}
    ended = Counter((entry, instant) for entry, instant, state in states if state not in {"waiting", "running"})
    assert set(ended.values()) == {1}
    assert set(ended) == {(entry, instant) for entry, instant, _ in states}
    began = sum(state == "running" for _, _, state in states)
    assert len(agent.recordings) == began
    assert sum(line.startswith("drill slow-service, by ") for _, line in agent.world.lines) == began
    assert agent.world.service.faults_in_force == 0


def ends(agent: Agent) -> list[tuple[str, str, str, str]]:
    return sorted(one[:4] for one in agent.occurrences)


@pytest.mark.parametrize(
    ("late_by", "last"), [("1h", ("e0", "19:14", "done", "")), ("20m", ("e0", "19:14", "skipped", "missed"))]
)
def test_between_two_drills_what_was_missed_is_told_and_at_most_the_last_runs(
    tmp_path: Path, late_by: str, last: tuple[str, str, str, str]
) -> None:
    agent = Agent(tmp_path, {"cron": HOURLY, "late_by": late_by})

    async def act(_: Any) -> None:
        await asyncio.sleep(120)
        # 14:15:20 becomes 19:45:20.
        set_forward(5.5 * HOUR)
        await asyncio.sleep(120)

    steps(agent, tmp_path, act)
    missed = [("e0", f"{hour}:14", "skipped", "missed") for hour in (15, 16, 17, 18)]
    assert ends(agent) == [("e0", "14:14", "done", ""), *missed, last]


@pytest.mark.parametrize(("seconds", "verdict"), [(41, ENDED), (47, ENDED), (53, UNKNOWN), (58, UNKNOWN), (62, ENDED)])
def test_under_a_drill_nothing_runs_twice_and_no_alert_is_blamed_for_a_jump_in_the_fault(
    tmp_path: Path, seconds: float, verdict: Any
) -> None:
    agent = Agent(tmp_path, {"cron": HOURLY})

    async def act(_: Any) -> None:
        await asyncio.sleep(seconds)
        set_forward(5.5 * HOUR)
        await asyncio.sleep(240)

    steps(agent, tmp_path, act)
    assert agent.occurrences[0] == ("e0", "14:14", "done", "", verdict)
    missed = [("e0", f"{hour}:14", "skipped", "missed") for hour in (15, 16, 17, 18)]
    last = ("e0", "19:14", "done", "") if seconds == 62 else ("e0", "19:14", "skipped", "overlap")
    assert ends(agent)[1:] == [*missed, last]


def test_what_waits_begins_or_is_too_late(tmp_path: Path) -> None:
    agent = Agent(
        tmp_path,
        {"cron": FIRST},
        {"cron": FIRST, "overlap": "wait", "late_by": "1h"},
        {"cron": FIRST, "overlap": "wait", "late_by": "6h"},
    )

    async def act(_: Any) -> None:
        await asyncio.sleep(45)
        set_forward(5.5 * HOUR)
        await asyncio.sleep(300)

    steps(agent, tmp_path, act)
    assert ends(agent) == [
        ("e0", "14:14", "done", ""),
        ("e1", "14:14", "skipped", "overlap"),
        ("e2", "14:14", "done", ""),
    ]


def test_a_blackout_or_the_end_of_a_pause_is_not_passed_over(tmp_path: Path) -> None:
    """The clock jumps into a blackout, and over the end of a pause."""
    closed = {"name": "sale", "cron": "0 19 * * *", "lasts": "1h"}
    agent = Agent(tmp_path, {"cron": HOURLY}, blackouts=[closed])

    Journal(tmp_path / "kept").set_pause(Pause(at("2026-09-21T18:00"), "the release"), at("2026-09-21T14:00"))

    async def act(_: Any) -> None:
        await asyncio.sleep(60)
        set_forward(5.5 * HOUR)
        await asyncio.sleep(60)
        set_forward(HOUR)
        await asyncio.sleep(90)

    steps(agent, tmp_path, act)
    assert ends(agent) == [
        *(("e0", f"{hour}:14", "skipped", "paused") for hour in (14, 15, 16, 17)),
        ("e0", "18:14", "skipped", "missed"),
        ("e0", "19:14", "skipped", "blackout"),
        ("e0", "20:14", "done", ""),
    ]


async def hours_pass(count: int) -> None:
    """Let hours pass, of which only the five minutes around each occurrence are waited for."""
    for _ in range(count):
        set_forward(HOUR - 300)
        await asyncio.sleep(300)


def test_between_two_drills_a_clock_that_is_set_back_lets_none_run_twice(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": HOURLY})

    async def act(_: Any) -> None:
        await asyncio.sleep(120)
        # 14:15:20 becomes 12:15:20.
        set_forward(-2 * HOUR)
        await asyncio.sleep(120)
        await hours_pass(3)

    steps(agent, tmp_path, act)
    assert ends(agent) == [("e0", f"{hour}:14", "done", "") for hour in (13, 14, 15)]


@pytest.mark.parametrize(
    ("seconds", "back_seconds", "verdict"),
    [
        (41, 30, UNKNOWN),
        (47, 2 * HOUR, UNKNOWN),
        (53, 30, UNKNOWN),
        (53, 2 * HOUR, UNKNOWN),
        (58, 2 * HOUR, UNKNOWN),
        (62, 30, ENDED),
    ],
)
def test_under_a_drill_a_clock_that_is_set_back_lets_none_run_twice_and_no_alert_is_blamed(
    tmp_path: Path, seconds: float, back_seconds: float, verdict: Any
) -> None:
    """Set back by 30 s, its own time comes again while it runs."""
    agent = Agent(tmp_path, {"cron": HOURLY})

    async def act(_: Any) -> None:
        await asyncio.sleep(seconds)
        set_forward(-back_seconds)
        await asyncio.sleep(240)
        await hours_pass(3 if back_seconds > HOUR else 1)

    steps(agent, tmp_path, act)
    assert agent.occurrences[0] == ("e0", "14:14", "done", "", verdict)
    hours = (13, 14, 15) if back_seconds > HOUR else (14, 15)
    assert ends(agent) == [("e0", f"{hour}:14", "done", "") for hour in hours]
