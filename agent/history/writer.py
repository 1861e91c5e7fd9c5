"""Writes the history while the agent runs: one thread, a bounded queue, and nothing that waits for either.

What does not fit into the queue, or cannot be written now, is not kept in memory: it is in the recordings and the
journal, and the writer reads it from there as soon as the database can be written again. Only the figures of the load
are nowhere else: those of almost three hours wait, and of more the oldest are dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from queue import Full, Queue

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history.connection import Database, HistoryUnavailable, NameTaken
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import (
    HistorySummary,
    IndexedRun,
    catch_up,
    memory,
    read_run,
    save_occurrences,
    save_runs,
    standing,
)
from alertdrill.agent.history.load import roll_up, save_periods
from alertdrill.agent.history.sqlite import set_aside
from alertdrill.agent.schedule.choice import EarlierDrills
from alertdrill.agent.schedule.journal import OccurrenceRecord
from alertdrill.units.extras import LibraryMissing
from alertdrill.units.text import one_line

_Job = Callable[[Database], None]
_MOST_JOBS = 1024
_MOST_PERIODS = 1024
_PERIODS_AT_ONCE = 60
_ROLL_UP_EVERY_SECONDS = 60.0
_BUSY_SECONDS = 1.0
_STOP_WITHIN_SECONDS = 1.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0


class HistoryWriter:
    """The writer of one database; `tell` gets a line when it cannot be written, and when it can be again.

    `memory` and `standing` are those of the last time that it was written or read. `counts` has the writes by result: ok,
    failed (they are repeated), skipped (the queue was full, so they are read from the files later) and dropped (periods of
    load that waited too long). `is_known` tells that the history was read once, or cannot be. `name_taken` has a text
    while another agent of this name writes, which runs the same schedule. `reading` gives what reads a recording.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that it works with
        self,
        history: HistorySettings,
        folder: Path,
        time_scale: float = 1.0,
        tell: Callable[[str], None] = lambda _: None,
        most_jobs: int = _MOST_JOBS,
        clock: Callable[[], float] = time.time,
        reading: Callable[[], AbstractContextManager[Callable[[Path], IndexedRun | str]]] = lambda: nullcontext(
            read_run
        ),
    ) -> None:
        self.memory = EarlierDrills()
        self.standing = HistorySummary()
        self.counts: Counter[str] = Counter(ok=0, failed=0, skipped=0, dropped=0)
        self.problem = ""
        self.is_known = False
        self.name_taken = ""
        self._history = history
        self._folder = folder
        self._time_scale = time_scale
        self._tell = tell
        self._clock = clock
        self._reading = reading
        self._jobs: Queue[_Job] = Queue(most_jobs)
        self._periods: deque[tuple[object, ...]] = deque()
        self._rolled_up_at = -_ROLL_UP_EVERY_SECONDS
        self._is_behind = False
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write, name="history", daemon=True)
        self._ended = asyncio.Event()

    @property
    def queued(self) -> int:
        """The number of writes that wait."""
        return self._jobs.qsize() + len(self._periods)

    async def run(self) -> None:
        """Write until this is cancelled; then write what waits, as far as a second allows."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        try:
            await self._ended.wait()
        finally:
            self._stopping.set()
            self._changed.set()
            # The thread may hang on a disk; it is a daemon thread, and everything is in the files.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_WITHIN_SECONDS + 0.5):
                    await asyncio.to_thread(self._thread.join, _STOP_WITHIN_SECONDS)

    def put_run(self, run: IndexedRun) -> None:
        """Write a run soon; its recording must be on the disk."""
        self._put(lambda database: save_runs(database, run))

    def put_occurrences(self, *records: OccurrenceRecord) -> None:
        """Write what became of occurrences soon; their lines must be in the journal."""
        self._put(lambda database: save_occurrences(database, records))

    def put_load(self, period: tuple[object, ...]) -> None:
        """Write the row of a period of load soon."""
        if len(self._periods) >= _MOST_PERIODS:
            self._periods.popleft()
            self.counts["dropped"] += 1
        self._periods.append(period)
        self._changed.set()

    def _put(self, job: _Job) -> None:
        try:
            self._jobs.put_nowait(job)
        except Full:
            self.counts["skipped"] += 1
            self._is_behind = True
        self._changed.set()

    def _write(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        try:
            while not self._stopping.is_set():
                try:
                    self._write_while_possible()
                    pause = _FIRST_PAUSE_SECONDS
                except (HistoryUnavailable, ConfigError, LibraryMissing, OSError) as error:
                    self._fail(error)
                    self._stopping.wait(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        finally:
            self._on_loop(self._ended.set)

    def _write_while_possible(self) -> None:
        with opened(self._history, self._folder, busy_seconds=_BUSY_SECONDS) as database:
            database.claim()
            self.name_taken = ""
            self._catch_up(database)
            while True:
                self._changed.clear()
                self._write_jobs(database)
                self._write_periods(database)
                # Not before what waits is written: to catch up may need no write.
                if self.problem:
                    self._say("the history can be written again")
                    self.problem = ""
                if self._stopping.is_set() and not self.queued:
                    return
                self._roll_up(database)
                self._changed.wait(_ROLL_UP_EVERY_SECONDS)

    def _write_jobs(self, database: Database) -> None:
        if self._jobs.empty() and not self._is_behind:
            return
        while not self._jobs.empty():
            job = self._jobs.get()
            with database.writing():
                job(database)
            self.counts["ok"] += 1
        if self._is_behind:
            self._catch_up(database)
        self._remember(database)

    def _write_periods(self, database: Database) -> None:
        while self._periods:
            batch = [self._periods.popleft() for _ in range(min(len(self._periods), _PERIODS_AT_ONCE))]
            try:
                with database.writing():
                    save_periods(database, batch)
            except HistoryUnavailable:
                self._periods.extendleft(reversed(batch))
                raise
            self.counts["ok"] += 1

    def _roll_up(self, database: Database) -> None:
        if time.monotonic() - self._rolled_up_at < _ROLL_UP_EVERY_SECONDS:
            return
        self._rolled_up_at = time.monotonic()
        while roll_up(database, self._history, self._clock()) and self._jobs.empty() and not self._stopping.is_set():
            pass

    def _catch_up(self, database: Database) -> None:
        self._is_behind = False
        with self._reading() as read:
            problems = catch_up(database, self._folder, read).problems
        for problem in problems:
            self._say(f"not in the history: {problem}")
        self._remember(database)

    def _remember(self, database: Database) -> None:
        self.memory = memory(database, self._time_scale)
        self.standing = standing(database, self._time_scale)
        self.is_known = True

    def _say(self, text: str) -> None:
        self._on_loop(lambda: self._tell(text))

    def _on_loop(self, call: Callable[[], object]) -> None:
        # The loop may have ended before this thread.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _fail(self, error: Exception) -> None:
        self.counts["failed"] += 1
        self.is_known, self.name_taken = True, one_line(error) if isinstance(error, NameTaken) else ""
        is_new, self.problem = not self.problem, one_line(error)
        if is_new:
            self._say(f"the history cannot be written, and is made up for later: {self.problem}")
        # Whatever waits is read from the files when the database is back.
        while not self._jobs.empty():
            self._jobs.get()
        if self._history.server is not None:
            return
        try:
            aside = set_aside(self._history.file(self._folder))
        except OSError:
            return
        if aside is not None:
            self._say(f"the history was damaged: it is {aside} now, and a new one is made from the recordings")
