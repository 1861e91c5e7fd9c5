"""Runs the drills of the schedule, one after another, and writes down what became of each occurrence.

The wall clock may be set and the machine may sleep: the scheduler looks at the time often, and never waits long.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from alertdrill.agent.config import runbooks
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.daemon.configured import Configured
from alertdrill.agent.daemon.judging import Judged, NotJudged, judged
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.drilling.filing import Drilled, drilled
from alertdrill.agent.drilling.lock import TargetBusy
from alertdrill.agent.drilling.site import Site
from alertdrill.agent.errors import NOT_HEALED, USAGE, ConfigError, ServiceUnavailable, leaves
from alertdrill.agent.history.writer import HistoryWriter
from alertdrill.agent.log import LogLevel, LogLine, leveled
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import ScheduledRecord
from alertdrill.agent.schedule.choice import EarlierDrills, chosen
from alertdrill.agent.schedule.journal import Journal, OccurrenceRecord, State, recorded
from alertdrill.agent.schedule.occurrences import CALLED, Occurrence, Skip, SkipReason, Timetable
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, LedgerRefused
from alertdrill.units.text import one_line, utc_text

_LOOK_EVERY_SECONDS = 1.0
_STUCK_AFTER = timedelta(minutes=5)
_REFUSED = (ConfigError, ServiceUnavailable, FaultNotApplied, FaultNotHealed, LedgerRefused)


@dataclass
class _Waiting:
    """An occurrence that waits until the one before is over, with its last instant to begin."""

    occurrence: Occurrence
    until: datetime


class Scheduler:
    """Decides on each occurrence when its time has come; `configured` may be replaced while no drill runs."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that a drill of the schedule works with
        self,
        site: Site,
        configured: Configured,
        journal: Journal,
        history: HistoryWriter,
        tell: Callable[[str], None],
        is_ready: Callable[[], bool] = lambda: True,
        pages: Path = Path(runbooks.FOLDER),
        judging: Callable[[Recording, Path, Path], Awaitable[Judged]] = judged,
    ) -> None:
        self.configured = configured
        self.entry: str | None = None
        self._site = site
        self._journal = journal
        self._history = history
        self._tell = tell
        self._is_ready = is_ready
        self._pages = pages
        self._judging = judging
        self._clock = site.clocks.now
        self._next: dict[str, Occurrence | None] = {}
        self._since: dict[str, datetime] = {}
        self._waiting: list[_Waiting] = []
        self._unwritten: list[OccurrenceRecord] = []
        self._problem = ""
        self._told_next: Occurrence | None = None
        self._forgotten: EarlierDrills | None = None
        self._task: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._aborted = ""

    @property
    def is_running(self) -> bool:
        """Whether an occurrence is running."""
        return self.entry is not None

    @property
    def timetable(self) -> Timetable:
        """The timetable, with the pause that is in force, and the blackouts that were ordered."""
        journal = self._journal
        return replace(self.configured.timetable, pause=journal.pause, ordered=journal.blackouts(self._clock()))

    @property
    def problem(self) -> str:
        """Why no drill can run; empty when the schedule goes on as it should."""
        if self._problem or self.is_running:
            return self._problem
        latest = self._clock() - _STUCK_AFTER
        late = sorted(name for name, one in self._next.items() if one is not None and one.starts_at < latest)
        return f"nothing was decided on {late[0]}, whose time has come" if late else ""

    def next_runs(self) -> dict[str, datetime]:
        """Return by entry when it comes next."""
        return {name: one.starts_at for name, one in self._next.items() if one is not None}

    def change(self, configured: Configured) -> None:
        """Go on with another configuration."""
        self.configured = configured
        self._next.clear()

    async def run(self) -> None:
        """Look at the time and run what is due, until this is cancelled; a drill that runs then is undone and recorded."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await self._go_on(tasks)
            finally:
                self._tasks = None

    async def _go_on(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            try:
                self._look(tasks)
                self._problem = ""
            except OSError as error:
                self._complain(f"the journal {self._journal.path} cannot be written, so no drill runs: {error}")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            self._tell(LogLine(problem, LogLevel.ERROR))
        self._problem = problem

    def _look(self, tasks: asyncio.TaskGroup) -> None:
        now, timetable = self._clock(), self.timetable
        while self._unwritten:
            self._write(self._unwritten[0])
            del self._unwritten[0]
        # What waits began to wait before anything that is due now.
        self._begin_waiting(tasks, now, timetable)
        for entry in timetable.schedule.entries:
            since = self._journal.watched_since(entry, now)
            # A clock that was set back brings times again.
            if entry.name not in self._next or since < self._since[entry.name]:
                self._next[entry.name] = timetable.next_after(entry, since)
            self._since[entry.name] = since
            one = self._next[entry.name]
            if one is None or one.starts_at > now:
                continue
            for occurrence, skip in timetable.due(entry, since, now):
                if not self._is_over(occurrence):
                    self._decide(tasks, occurrence, skip, now)
            self._next[entry.name] = timetable.next_after(entry, self._journal.watched_since(entry, now))
        # The choice rests on what the history knows, which must include the drill before.
        if not self.is_running and self._is_ready() and self._history.memory is not self._forgotten:
            self._tell_next(timetable)

    def _is_over(self, one: Occurrence) -> bool:
        """Return whether an occurrence began already, before the clock was set back; it counts as decided on again."""
        record = self._journal.records.get((one.entry.name, utc_text(one.instant)))
        if record is None or record.state == "skipped":
            return False
        self._journal.add(record)
        return True

    def _tell_next(self, timetable: Timetable) -> None:
        """Write once what comes next."""
        coming = [one for one in self._next.values() if one is not None]
        one = min(coming, key=lambda occurrence: occurrence.starts_at, default=None)
        if one is None or one == self._told_next:
            return
        self._told_next = one
        drills = self.configured.drills[one.entry.name]
        found = timetable.closed(one.entry, one.starts_at) or chosen(
            one, drills, self._history.memory, self.configured.config.freshness
        )
        what = f"skipped ({found.reason})" if isinstance(found, Skip) else ", ".join(drill.name for drill in found)
        self._tell(f"next, by {one.entry.name} at {utc_text(one.starts_at)}: {what}")

    def _decide(self, tasks: asyncio.TaskGroup, one: Occurrence, skip: Skip | None, now: datetime) -> None:
        if skip is None and (self.is_running or not self._is_ready()):
            if self.is_running and one.entry.overlap == "skip":
                skip = Skip("overlap", f"drills of {self.entry} were running")
            else:
                # It counts as decided on, so that it is not looked at again.
                self._write(recorded(one, "waiting", now))
                self._waiting.append(_Waiting(one, one.starts_at + one.entry.late_by))
                return
        if skip is None:
            self._begin(tasks, one, now)
        else:
            self._write(recorded(one, "skipped", now, skip))

    def _begin_waiting(self, tasks: asyncio.TaskGroup, now: datetime, timetable: Timetable) -> None:
        names = {entry.name for entry in timetable.schedule.entries}
        for waiting in list(self._waiting):
            one = waiting.occurrence
            if one.entry.name not in names:
                self._write(recorded(one, "skipped", now, Skip("removed", "the entry was removed from the schedule")))
            elif now > waiting.until:
                skip = Skip("overlap", "other drills were running, or there was no load, until it was too late")
                self._write(recorded(one, "skipped", now, skip))
            elif self.is_running or not self._is_ready():
                continue
            elif closed := timetable.closed(one.entry, now):
                self._write(recorded(one, "skipped", now, closed))
            else:
                self._begin(tasks, one, now)
            # Not before it is written: it would never end if that failed.
            self._waiting.remove(waiting)

    def _begin(self, tasks: asyncio.TaskGroup, one: Occurrence, now: datetime) -> None:
        configured = self.configured
        drills = self._leave_to_other() or chosen(
            one, configured.drills[one.entry.name], self._history.memory, configured.config.freshness
        )
        if isinstance(drills, Skip):
            self._write(recorded(one, "skipped", now, drills))
            return
        self._run_soon(tasks, one, drills, now)

    def _run_soon(self, tasks: asyncio.TaskGroup, one: Occurrence, drills: Sequence[Drill], now: datetime) -> None:
        self._write(recorded(one, "running", now))
        self.entry, self._aborted, self._told_next = one.entry.name, "", None
        self._task = tasks.create_task(self._run(one, drills), name=f"occurrence of {one.entry.name}")

    def start(self, drill: Drill, asked: str, call: str = "") -> OccurrenceRecord | Skip:
        """Run a drill now because somebody asked for it, or return why it may not run; raises OSError."""
        now = self._clock()
        if closed := self.may_start(now):
            return closed
        assert self._tasks is not None  # noqa: S101 - may_start looked
        instant = now.replace(microsecond=0)
        while (CALLED.name, utc_text(instant)) in self._journal.records:
            instant += timedelta(seconds=1)
        one = Occurrence(CALLED, instant, now, asked, call)
        self._run_soon(self._tasks, one, [drill], now)
        return self._journal.records[CALLED.name, utc_text(instant)]

    def may_start(self, now: datetime) -> Skip | None:
        """Return why no drill may be started at an instant."""
        if self.is_running:
            return Skip("overlap", f"drills of {self.entry} are running")
        if self._tasks is None or not self._is_ready():
            return Skip("target", "the load does not run, or the history is not read yet")
        return self._leave_to_other() or self.timetable.closed(CALLED, now)

    def _leave_to_other(self) -> Skip | None:
        """Return that another agent, perhaps on another machine, runs this schedule."""
        return Skip("lock", why) if (why := self._history.name_taken) else None

    def abort(self, reason: str) -> bool:
        """Stop what runs: its faults are undone, and no further drill of its occurrence begins; return whether any ran."""
        if self.is_running:
            self._aborted = reason
            self._site.stop_drill(reason)
        return self.is_running

    def hurry(self) -> None:
        """Let a drill that was cancelled end with what it has; its faults are undone all the same."""
        if self._task is not None:
            self._task.cancel()

    def _write(self, record: OccurrenceRecord) -> None:
        self._journal.add(record)
        self._history.put_occurrences(record)
        if record.state == "skipped":
            self._tell(f"{record.entry} at {record.instant}: skipped ({record.reason}): {record.why}")

    async def _run(self, one: Occurrence, drills: Sequence[Drill]) -> None:
        """Run the drills of an occurrence, and write down its end."""
        verdicts: dict[str, int] = {}
        refusal: Skip | None = None
        state: State = "interrupted"
        reason, why = "interrupted", "the agent was stopped"
        try:
            for drill in drills:
                if closed := self._closed(one):
                    refusal = refusal or closed
                    break
                code, refused = await self._conducted(one, drill)
                # An error refers to the frames that it went through, and they to it, with megabytes of figures: the
                # garbage collector, which counts objects and not bytes, would let those of many drills pile up.
                gc.collect()
                refusal = refusal or refused
                if code is not None:
                    verdicts[drill.name] = code
            if verdicts or refusal is None:
                state, reason, why = "done", "", ""
            else:
                state, reason, why = "skipped", refusal.reason, refusal.why
        finally:
            self.entry = None
            ended = replace(
                recorded(one, state, self._clock()), reason=reason, why=why, verdicts=tuple(verdicts.items())
            )
            try:
                self._write(ended)
            except OSError as error:
                self._unwritten.append(ended)
                self._complain(f"the end of {one.entry.name} is not in {self._journal.path} yet: {error}")

    async def _conducted(self, one: Occurrence, drill: Drill) -> tuple[int | None, Skip | None]:
        """Run a drill; return its exit code, None if it broke nothing, and why it could not run."""
        conductor = Conductor(self._site, drill, leveled(self._tell, component="drill", drill=drill.name))
        self._tell(f"drill {drill.name}, by {one.entry.name}")
        try:
            async with drilled(conductor, self.configured.config.recordings, self._watched(one)) as ended:
                if ended.cut is None and ended.recording is not None:
                    return await self._judged(*ended.write(_scheduled(one, ended.recording))), None
                return self._cut_short(one, drill, ended)
        except ConfigError as error:
            # Another kind of error was explained already; this one is of the disk.
            self._tell(f"drill {drill.name}: {error}")
            return None, Skip("disk", one_line(error))

    def _cut_short(self, one: Occurrence, drill: Drill, ended: Drilled) -> tuple[int | None, Skip]:
        """Write the recording of a drill that was cut short; raises what ended the agent as well."""
        assert ended.cut is not None  # noqa: S101 - a drill without a recording has an error
        if ended.recording is not None:
            try:
                ended.write(_scheduled(one, ended.recording))
            except ConfigError as error:
                # It must not hide the reason for the end of the drill.
                self._tell(f"drill {drill.name}: {error}")
        found = leaves(ended.cut)
        if not all(isinstance(leaf, _REFUSED) for leaf in found):
            raise ended.cut
        for leaf in found:
            self._tell(LogLine(f"drill {drill.name}: {leaf}", LogLevel.ERROR, drill=drill.name))
        code = NOT_HEALED if any(isinstance(leaf, FaultNotHealed) for leaf in found) else USAGE
        return None if ended.recording is None else code, Skip(_reason(found), one_line(found[0]))

    @asynccontextmanager
    async def _watched(self, one: Occurrence) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._stop_when_closed(one), name="blackouts")
            try:
                yield
            finally:
                watching.cancel()

    async def _stop_when_closed(self, one: Occurrence) -> None:
        """Stop a drill when a time without drills begins: its faults are undone, and it is inconclusive."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            closed = self._closed(one)
            if closed and self._site.stop_drill(self._aborted or f"a time without drills began: {closed.why}"):
                return

    def _closed(self, one: Occurrence) -> Skip | None:
        """Return why no drill of an occurrence may run now."""
        if self._aborted:
            return Skip("aborted", self._aborted)
        return self.timetable.closed(one.entry, self._clock())

    async def _judged(self, recording: Recording, path: Path) -> int:
        """Judge a recording, and write its reports and its rows in the history."""
        name, left_out = recording.drill.name, recording.left_out
        if left_out:
            more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
            self._tell(f"drill {name}: {left_out[0].rule} cannot be replayed{more}: {left_out[0].why}")
        try:
            found = await self._judging(recording, path, self._pages)
        except NotJudged as error:
            self._tell(f"drill {name}: {path} is not judged, `alertdrill judge` can do that: {error}")
            return USAGE
        self._forgotten = self._history.memory
        self._history.put_run(found.run)
        if found.problem:
            self._tell(f"drill {name}: {found.problem}")
        report = f"; report {found.report}" if found.report else ""
        self._tell(f"drill {name} ended with code {found.exit_code}: {found.said}{report}")
        return found.exit_code


def _scheduled(one: Occurrence, recording: Recording) -> Recording:
    scheduled = ScheduledRecord(entry=one.entry.name, instant=utc_text(one.instant))
    return recording.model_copy(update={"scheduled": scheduled})


def _reason(errors: Sequence[BaseException]) -> SkipReason:
    """Return the word for what kept a drill from beginning."""
    if any(isinstance(one, TargetBusy) for one in errors):
        return "lock"
    if any(isinstance(one, FaultNotHealed | LedgerRefused) for one in errors):
        return "unhealed"
    return "target"
