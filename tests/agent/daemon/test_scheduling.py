"""The schedule runs drills on a site in virtual time. The loop starts on 2026-09-21 at 14:13:20 UTC."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.config.calendars import Calendars
from alertdrill.agent.config.daemon import SteadyLoad
from alertdrill.agent.config.drill import Drill, DrillLoad
from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.daemon.configured import Configured
from alertdrill.agent.daemon.judging import Judged, NotJudged, judged, judged_here
from alertdrill.agent.daemon.scheduling import Scheduler
from alertdrill.agent.drilling.lock import locked
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.history.connection import NameTaken
from alertdrill.agent.history.sqlite import SqliteDatabase
from alertdrill.agent.history.writer import HistoryWriter
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.schedule.journal import Journal, OccurrenceRecord, Watch
from alertdrill.agent.schedule.occurrences import Skip
from alertdrill.chaos.machine.threads import in_thread
from tests.agent.drilling.virtual_site import VirtualPrometheus, World, since_start
from tests.support.gone_folder import replaced_by_a_file
from tests.support.virtual_time import in_virtual_time, loop_time
from tests.support.waiting import running

SAMPLES = Path(__file__).parents[2] / "recordings"
# 14:14:00 is 40 s after the start of the loop, 14:15:00 100 s, and so on.
FIRST, SECOND = "14 14 * * *", "15 14 * * *"


class Agent:
    """A schedule with its files, which can be started again."""

    def __init__(self, folder: Path, *entries: dict[str, Any], **schedule: Any) -> None:
        self.world = World(folder)
        values = [{"drills": ["*"], "name": f"e{number}"} | one for number, one in enumerate(entries)]
        self.world.config["schedule"] = {"time_zone": "UTC", "entries": values} | schedule
        self.world.config["recordings"] = folder / "kept"
        self.judges_for_ever = False
        self.rate = 5.0
        self.drills: Sequence[Drill] = [self.world.drill(self.world.slowness())]

    @asynccontextmanager
    async def running(self, *, is_ready: Callable[[], bool] = lambda: True) -> AsyncIterator[Scheduler]:
        config = self.world.settings()
        assert config.schedule is not None
        drills = {entry.name: self.drills for entry in config.schedule.entries}
        configured = Configured(config, SteadyLoad(rate=20), drills, Calendars(), "")
        settings = HistorySettings(url=f"sqlite:{self.world.folder / 'h.db'}")
        self.history = history = HistoryWriter(settings, config.recordings)
        journal = Journal(config.recordings)
        async with self.world.site() as site, site.loaded(DrillLoad(rate=self.rate)):
            journal.interrupt_running(site.clocks.now(), "the agent ended")
            made = Scheduler(site, configured, journal, history, self.world.tell, is_ready, judging=self.judged)
            async with running(made.run()):
                yield made

    async def judged(self, *written: Any) -> Judged:
        """Judge a drill here: another process knows nothing of the faults in virtual time."""
        if self.judges_for_ever:
            await asyncio.Event().wait()
        return await in_thread(judged_here, *written)

    @property
    def occurrences(self) -> list[tuple[str, str, str, str, tuple[tuple[str, int], ...]]]:
        records = Journal(self.world.folder / "kept").records.values()
        return [(one.entry, one.instant[11:16], one.state, one.reason, one.verdicts) for one in records]

    @property
    def recordings(self) -> list[dict[str, Any]]:
        """The values of the recordings; their faults exist only in virtual time."""
        paths = sorted((self.world.folder / "kept").glob("*.recording.json.gz"))
        return [json.loads(gzip.decompress(path.read_bytes())) for path in paths]

    def run_for(self, seconds: float, **named: Any) -> None:
        async def main() -> None:
            async with self.running(**named):
                await asyncio.sleep(seconds)

        in_virtual_time(main)


# The virtual Alertmanager notifies sooner than its configuration says, so the verdict is `early`.
ENDED = (("slow-service", 1),)


def test_a_drill_runs_at_its_time_and_its_recording_says_why(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST})
    agent.run_for(90)
    assert agent.occurrences == [("e0", "14:14", "done", "", ENDED)]
    (recording,) = agent.recordings
    assert since_start(recording["started_at"]) == pytest.approx(40, abs=1.1)
    assert recording["scheduled"] == {"entry": "e0", "instant": "2026-09-21T14:14:00Z"}
    assert recording["load"]["due"] == pytest.approx(5 * (recording["ended_at"] - recording["started_at"]), abs=10)
    assert len(list((tmp_path / "kept").glob("*.json"))) == 1
    (report,) = (tmp_path / "kept").glob("*.html")
    told = [line for _, line in agent.world.lines]
    assert told[0] == "next, by e0 at 2026-09-21T14:14:00Z: slow-service"
    assert told[-1] == f"drill slow-service ended with code 1: Slow early; report {report}"


def test_what_waits_for_the_load_begins_before_what_comes_at_the_moment_when_it_is_there(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST, "late_by": "5m"}, {"cron": SECOND})
    agent.run_for(150, is_ready=lambda: loop_time() >= 100)
    first, second = agent.occurrences
    assert first == ("e0", "14:14", "done", "", ENDED)
    assert second == ("e1", "14:15", "skipped", "overlap", ())


def test_the_log_says_that_a_recording_cannot_be_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_: object) -> None:
        raise ServiceUnavailable("it refused the query")

    agent = Agent(tmp_path, {"cron": FIRST})
    monkeypatch.setattr(VirtualPrometheus, "all_rules", refused)
    agent.run_for(90)
    assert agent.occurrences == [("e0", "14:14", "done", "", ENDED)]
    words = "drill slow-service: Slow cannot be replayed: its samples could not be fetched: it refused the query"
    assert agent.world.lines[-2][1] == words


@pytest.mark.parametrize("state", ["skipped", "done"])
def test_after_a_clock_that_was_ahead_what_did_not_run_runs_at_its_time(tmp_path: Path, state: Any) -> None:
    agent = Agent(tmp_path, {"cron": FIRST})
    today, next_year = "2026-09-21T14:14:00Z", "2027-09-21T14:14:00Z"
    lines = [OccurrenceRecord("e0", instant, instant, state, instant) for instant in (today, next_year)]
    Journal(tmp_path / "kept").add(Watch("e0", FIRST, today), *lines)
    agent.run_for(90)
    ran = ("e0", "14:14", "done", "", ENDED) if state == "skipped" else ("e0", "14:14", "done", "", ())
    assert agent.occurrences == [ran, ("e0", "14:14", state, "", ())]
    assert len(agent.recordings) == (state == "skipped")


def test_an_overlap_is_skipped_or_waits_as_the_entry_says(tmp_path: Path) -> None:
    agent = Agent(
        tmp_path,
        {"cron": FIRST},
        {"cron": FIRST},
        {"cron": FIRST, "overlap": "wait"},
        {"cron": FIRST, "overlap": "wait", "late_by": "20s"},
    )
    agent.run_for(120)
    assert sorted(agent.occurrences) == [
        ("e0", "14:14", "done", "", ENDED),
        ("e1", "14:14", "skipped", "overlap", ()),
        ("e2", "14:14", "done", "", ENDED),
        ("e3", "14:14", "skipped", "overlap", ()),
    ]
    first, second = agent.recordings
    assert first["ended_at"] <= second["started_at"]


def test_a_blackout_that_begins_under_a_drill_undoes_it_and_blames_no_alert(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST}, blackouts=[{"name": "sale", "cron": SECOND, "lasts": "1h"}])
    agent.drills = [agent.world.drill(agent.world.slowness(), baseline="55s")]
    agent.run_for(150)
    assert agent.occurrences == [("e0", "14:14", "done", "", (("slow-service", 3),))]
    (recording,) = agent.recordings
    assert recording["aborted"].startswith("a time without drills began: blackout sale, until Mon 2026-09-21 15:15 UTC")
    assert recording["ended_at"] - recording["started_at"] < 75
    assert agent.world.service.faults_in_force == 0


def test_within_a_blackout_nothing_runs(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": SECOND}, blackouts=[{"name": "sale", "cron": FIRST, "lasts": "1h"}])
    agent.run_for(110)
    assert agent.occurrences == [("e0", "14:15", "skipped", "blackout", ())]
    assert agent.recordings == []


def test_an_agent_that_is_stopped_while_it_judges_has_the_whole_recording(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST})
    agent.judges_for_ever = True
    agent.run_for(90)
    assert agent.occurrences == [("e0", "14:14", "interrupted", "interrupted", ())]
    (recording,) = agent.recordings
    assert (recording["aborted"], [one["phase"] for one in recording["phases"]]) == (
        "",
        ["baseline", "fault", "recovery"],
    )
    assert agent.world.service.faults_in_force == 0


def test_while_prometheus_is_away_each_occurrence_is_skipped_and_told_once(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": "* * * * *"})
    agent.world.prometheus.is_away = True

    async def main() -> None:
        async with agent.running():
            await asyncio.sleep(180)
            told = [line for _, line in agent.world.lines]
            agent.world.prometheus.is_away = False
            coming = [line for line in told if line.startswith("next, by e0 at ")]
            assert len(coming) == len(set(coming)) == 4
            assert len(told) == 3 * 3 + 4
            await asyncio.sleep(120)

    in_virtual_time(main)
    states = [(state, reason) for _, _, state, reason, _ in agent.occurrences]
    assert states[:3] == [("skipped", "target")] * 3
    assert ("done", "") in states[3:]


def test_while_the_target_is_away_every_drill_says_why_and_afterwards_one_is_conclusive(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": "*/2 * * * *"})
    agent.world.service.is_failing = True

    async def main() -> None:
        async with agent.running():
            await asyncio.sleep(350)
            agent.world.service.is_failing = False
            await asyncio.sleep(150)

    in_virtual_time(main)
    reports = [json.loads(path.read_text()) for path in sorted((tmp_path / "kept").glob("*.json"))]
    *away, back = [one for report in reports for one in report["verdicts"]]
    reason = "transactions failed before any fault (timeout: too late)"
    assert [(one["outcome"], reason in one["reason"]) for one in away] == [("inconclusive", True)] * 3
    assert back["outcome"] != "inconclusive"
    assert [one[2:4] for one in agent.occurrences] == [("done", "")] * 4
    # One for each step of a drill, and none for a failure.
    assert len(agent.world.lines) == 1 + 4 * 10


@pytest.mark.parametrize("seconds", [45, 53, 56, 59])
def test_an_agent_that_is_stopped_undoes_the_fault_and_writes_down_what_happened(
    tmp_path: Path, seconds: float
) -> None:
    agent = Agent(tmp_path, {"cron": FIRST})
    agent.run_for(seconds)
    assert agent.world.service.faults_in_force == 0
    assert agent.occurrences == [("e0", "14:14", "interrupted", "interrupted", ())]
    (recording,) = agent.recordings
    assert recording["aborted"].startswith("it was interrupted in the ")
    assert recording["scheduled"]["entry"] == "e0"


def test_another_agent_on_the_target_is_the_reason(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST})
    with locked(tmp_path, ["this machine:1"], "other"):
        agent.run_for(45)
    assert agent.occurrences == [("e0", "14:14", "skipped", "lock", ())]
    assert any("drill other of process" in line for _, line in agent.world.lines)


def test_an_occurrence_is_left_to_another_agent_that_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claim(_: SqliteDatabase) -> None:
        raise NameTaken("another agent writes as shop")

    monkeypatch.setattr(SqliteDatabase, "claim", claim)
    agent = Agent(tmp_path, {"cron": FIRST})
    asked: list[Skip | OccurrenceRecord] = []

    async def main() -> None:
        async with agent.running() as scheduler, running(agent.history.run()):
            # Its thread lives in real time; a sleep of no seconds takes no virtual time.
            while not agent.history.name_taken:  # noqa: ASYNC110
                await asyncio.sleep(0)
            asked.append(scheduler.start(agent.drills[0], "by a call"))
            await asyncio.sleep(45)

    in_virtual_time(main)
    assert agent.occurrences == [("e0", "14:14", "skipped", "lock", ())]
    assert asked == [Skip("lock", "another agent writes as shop")]


def test_a_fault_that_cannot_be_injected_is_on_record_and_the_next_drill_runs(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST})
    world = agent.world
    agent.drills = [world.drill(world.slowness(inject_fails=True), drill="first"), *agent.drills]
    agent.run_for(140)
    assert agent.occurrences == [("e0", "14:14", "done", "", (("first", 2), *ENDED))]


def test_without_a_load_an_occurrence_waits_until_it_is_too_late(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST, "late_by": "30s"})
    agent.run_for(75, is_ready=lambda: False)
    assert agent.occurrences == [("e0", "14:14", "skipped", "overlap", ())]


def test_wherever_an_agent_is_killed_each_occurrence_runs_at_most_once_and_none_vanishes(tmp_path: Path) -> None:
    """A crash leaves the lines that were written before it; the next agent begins from them, a little later."""
    whole = Agent(tmp_path / "whole", {"cron": FIRST}, {"cron": FIRST, "overlap": "wait"}, {"cron": SECOND})
    whole.run_for(160)
    lines = (tmp_path / "whole" / "kept" / "occurrences.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) > 8
    for kept in range(3, len(lines), 2):
        folder = tmp_path / str(kept)
        (folder / "kept").mkdir(parents=True)
        (folder / "kept" / "occurrences.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
        began = sum(b'"running"' in line for line in lines[:kept])
        again = Agent(folder, {"cron": FIRST}, {"cron": FIRST, "overlap": "wait"}, {"cron": SECOND})
        again.run_for(150)
        states = [(entry, state) for entry, _, state, _, _ in again.occurrences]
        assert sorted(entry for entry, _ in states) == ["e0", "e1", "e2"], kept
        assert {state for _, state in states} <= {"done", "skipped", "interrupted"}, kept
        assert len(again.recordings) + began <= 3, kept


def test_a_journal_that_cannot_be_written_keeps_every_drill_from_running(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST})

    async def main() -> None:
        async with agent.running():
            await asyncio.sleep(5)
            path = tmp_path / "kept" / "occurrences.jsonl"
            path.rename(tmp_path / "away")
            path.mkdir()
            await asyncio.sleep(50)
            path.rmdir()
            (tmp_path / "away").rename(path)
            await asyncio.sleep(50)

    in_virtual_time(main)
    assert len(agent.world.printed("the journal")) == 1
    (recording,) = agent.recordings
    assert since_start(recording["started_at"]) == pytest.approx(56, abs=2)
    assert agent.occurrences == [("e0", "14:14", "done", "", ENDED)]


def test_without_a_folder_for_recordings_nothing_is_broken_and_what_was_missed_is_on_record(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST, "late_by": "30s"}, {"cron": "17 14 * * *"})

    async def main() -> None:
        async with agent.running() as scheduler:
            await asyncio.sleep(5)
            with replaced_by_a_file(tmp_path / "kept"):
                await asyncio.sleep(100)
                assert "cannot be written, so no drill runs" in scheduler.problem
                assert agent.world.printed("drill") == []
            await asyncio.sleep(200)
            assert scheduler.problem == ""

    in_virtual_time(main)
    assert len(agent.world.printed("the journal")) == 1
    assert agent.occurrences == [("e0", "14:14", "skipped", "missed", ()), ("e1", "14:17", "done", "", ENDED)]


def test_a_drill_whose_folder_goes_away_ends_with_its_reason_on_record_and_what_waits_runs(tmp_path: Path) -> None:
    entries = {"cron": FIRST}, {"cron": FIRST, "overlap": "wait"}, {"cron": "18 14 * * *"}
    agent = Agent(tmp_path, *entries)

    async def main() -> None:
        async with agent.running():
            await asyncio.sleep(53)
            assert agent.world.service.is_slow
            with replaced_by_a_file(tmp_path / "kept"):
                await asyncio.sleep(60)
                assert not agent.world.service.is_slow
                assert len(agent.world.printed("drill slow-service, by")) == 1
            await asyncio.sleep(240)

    in_virtual_time(main)
    assert sorted(agent.occurrences) == [
        ("e0", "14:14", "skipped", "disk", ()),
        ("e1", "14:14", "done", "", ENDED),
        ("e2", "14:18", "done", "", ENDED),
    ]
    told = [line for _, line in agent.world.lines if "cannot be written" in line or "is not in" in line]
    # By the drill, by the schedule for its end and for what waits, and at last with what became of it.
    assert len(told) == 4, told


def test_a_reload_without_a_folder_for_recordings_ends_what_waits_when_there_is_one_again(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST}, {"cron": FIRST, "overlap": "wait"})

    async def main() -> None:
        async with agent.running() as scheduler:
            await asyncio.sleep(53)
            configured = scheduler.configured
            schedule = configured.config.schedule
            assert schedule is not None
            fewer = schedule.model_copy(update={"entries": schedule.entries[:1]})
            with replaced_by_a_file(tmp_path / "kept"):
                scheduler.change(replace(configured, config=configured.config.model_copy(update={"schedule": fewer})))
                await asyncio.sleep(60)
            await asyncio.sleep(5)

    in_virtual_time(main)
    assert sorted(one[:4] for one in agent.occurrences) == [
        ("e0", "14:14", "skipped", "disk"),
        ("e1", "14:14", "skipped", "removed"),
    ]


def test_a_drill_that_is_stopped_on_a_full_disk_is_the_last_one(tmp_path: Path) -> None:
    """An error of the disk must not hide that the agent is ending: the next drill would begin."""
    agent = Agent(tmp_path, {"cron": FIRST})
    agent.drills = [*agent.drills, agent.world.drill(agent.world.slowness(), drill="second")]

    async def main() -> None:
        async with agent.running():
            await asyncio.sleep(53)
            (reserved,) = (tmp_path / "kept").glob(".reserved-*")
            reserved.unlink()

    in_virtual_time(main)
    assert agent.occurrences == [("e0", "14:14", "interrupted", "interrupted", ())]
    assert agent.world.service.faults_in_force == 0
    assert not agent.world.printed("drill second")
    assert any("cannot be written: No such file" in line for _, line in agent.world.lines)


@pytest.mark.servers
def test_a_process_of_its_own_judges_as_this_one_does_and_says_why_it_cannot(tmp_path: Path) -> None:
    path = tmp_path / "a.recording.json.gz"
    path.write_bytes(next(SAMPLES.glob("*.recording.json.gz")).read_bytes())
    recording = read_recording(path)
    found = asyncio.run(judged(recording, path, tmp_path))
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["a.html", "a.json", "a.junit.xml", "a.recording.json.gz"]
    here = judged_here(recording, path, tmp_path)
    assert (found.exit_code, found.said, found.run.id) == (here.exit_code, here.said, here.run.id)
    for table, rows in here.run.rows.items():
        assert {tuple(row) for row in found.run.rows[table]} == set(rows)
    path.write_bytes(b"")
    with pytest.raises(NotJudged, match="recording"):
        asyncio.run(judged(recording, path, tmp_path))


def test_a_drill_that_a_call_started_runs_once_and_is_recorded_with_who_asked(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": FIRST, "paused": "only when asked"})

    async def main() -> tuple[Any, Any]:
        async with agent.running() as schedule:
            await asyncio.sleep(2)
            started = schedule.start(agent.drills[0], "by Ada", "key:body")
            second = schedule.start(agent.drills[0], "by Bob")
            await asyncio.sleep(60)
            return started, second

    started, second = in_virtual_time(main)
    assert (started.state, second.reason) == ("running", "overlap")
    assert agent.occurrences == [
        ("@api", "14:13", "done", "", ENDED),
        ("e0", "14:14", "skipped", "paused", ()),
    ]
    kept = Journal(tmp_path / "kept").records[started.key]
    assert (kept.asked, kept.call) == ("by Ada", "key:body")
    (recording,) = agent.recordings
    assert recording["scheduled"]["entry"] == "@api"


@pytest.mark.parametrize("seconds", [0.0, 3.0, 15.0])
def test_a_call_stops_the_drill_and_what_would_follow_it(tmp_path: Path, seconds: float) -> None:
    """Whenever it comes: also before the drill can be stopped, while its servers are asked."""
    agent = Agent(tmp_path, {"cron": FIRST})
    agent.drills = [
        agent.world.drill(agent.world.slowness()),
        agent.world.drill(agent.world.slowness(), drill="second"),
    ]

    async def main() -> bool:
        async with agent.running() as schedule:
            while not schedule.is_running:  # noqa: ASYNC110 - in virtual time
                await asyncio.sleep(0.05)
            await asyncio.sleep(seconds)
            is_aborted = schedule.abort("stopped by Ada")
            await asyncio.sleep(40)
            return is_aborted and not schedule.abort("again")

    assert in_virtual_time(main)
    assert agent.world.service.faults_in_force == 0
    ((_, _, state, reason, verdicts),) = agent.occurrences
    assert (state, reason, verdicts) in [("done", "", (("slow-service", 3),)), ("skipped", "aborted", ())]
    assert all(recording["aborted"] == "stopped by Ada" for recording in agent.recordings)
    assert len(agent.recordings) < 2


def test_within_a_blackout_no_call_starts_a_drill(tmp_path: Path) -> None:
    agent = Agent(tmp_path, blackouts=[{"name": "freeze", "from": "2026-09-01", "to": "2026-09-30"}])

    async def main() -> Any:
        async with agent.running() as schedule:
            await asyncio.sleep(2)
            return schedule.start(agent.drills[0], "by Ada")

    assert in_virtual_time(main).reason == "blackout"
    assert agent.occurrences == []


def test_a_schedule_that_cannot_write_its_journal_has_a_problem_until_it_can(tmp_path: Path) -> None:
    agent = Agent(tmp_path, {"cron": "0 0 1 1 *"}, {"cron": FIRST})

    async def main() -> None:
        async with agent.running() as scheduler:
            await asyncio.sleep(10)
            assert scheduler.problem == ""
            journal, aside = tmp_path / "kept" / "occurrences.jsonl", tmp_path / "aside"
            journal.rename(aside)
            journal.mkdir()
            await asyncio.sleep(40)
            assert "cannot be written, so no drill runs" in scheduler.problem
            journal.rmdir()
            aside.rename(journal)
            await asyncio.sleep(60)
            assert scheduler.problem == ""

    in_virtual_time(main)
    assert agent.occurrences == [("e1", "14:14", "done", "", ENDED)]
