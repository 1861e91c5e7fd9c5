"""A load in several processes: each sends its shard of the arrivals on a core of its own.

All start at one instant of CLOCK_MONOTONIC, which processes share, and send their counts second by second. A second
is added up when every worker has sent its counts. The share of a worker that died is counted as lost: the other
workers do not take it over.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import multiprocessing
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import resource_tracker

from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.load.arrivals import Until, ends_at
from alertdrill.probes.load.load import LoadPlan
from alertdrill.probes.load.second_counter import SecondCounts
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.load.worker import OF_THE_PARENT, EndAt, WorkerJob, watch, work

_START_DELAY_SECONDS = 0.1
_PATIENCE_SECONDS = 2.0
_LAST_SECOND_WITHIN_SECONDS = 5.0
Follower = Callable[[SecondCounts, float], Iterator[None]]
"""Gets every second that was added up, with its beginning (Unix seconds); its steps are taken one at a time."""
_LAST_SECOND_IN_A_HURRY_SECONDS = 0.25
_ANSWERS_WITHIN_SECONDS = 10.0


async def _soon() -> float:
    return time.monotonic() + _START_DELAY_SECONDS


class WorkersDied(Exception):
    """Every worker has died, so there is nothing left to send the load."""


@dataclass
class _Interval:
    """The seconds that a further tally counts, from the first one to the last one."""

    tally: Tally
    first: int
    last: float = math.inf


class Workers:
    """The same as `Load`, in several processes; `report` is called with a text for each worker that died.

    `start_at` is called when all are ready, and returns the instant of CLOCK_MONOTONIC at which they start.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a load works with
        self,
        probe: AnyProbe,
        plan: LoadPlan,
        count: int,
        acknowledged: Callable[[list[str]], None] = lambda _: None,
        report: Callable[[str], None] = lambda _: None,
        start_at: Callable[[], Awaitable[float]] = _soon,
    ) -> None:
        self.tally = Tally()
        self.started_at = 0.0
        self.began = math.inf
        self._probe = probe
        self._plan = self._first_plan = plan
        self._count = count
        self._acknowledged = acknowledged
        self._report = report
        self._start_at = start_at
        self._offset = 0
        self._intervals: list[_Interval] = []
        self.followers: list[Follower] = []
        self._begun, self._folded, self._answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._folded_seconds = 0.0
        self._until = math.inf
        self._has_ended = False
        self._steps: Iterator[None] = iter(())
        self._workers: list[WorkerProcess] = []

    @property
    def process_ids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process_id for worker in self._workers]

    @property
    def is_sending(self) -> bool:
        """Whether the load has begun, and every worker lives."""
        return self.began < math.inf and len(self._alive()) == len(self._workers)

    @property
    def is_running(self) -> bool:
        """Whether the load has begun, and a worker lives to send it."""
        return self.began < math.inf and any(not worker.is_done for worker in self._alive())

    @property
    def up(self) -> dict[str, bool]:
        """Return for each worker, by its number from 1, whether it is ready and lives."""
        return {str(one.job.index + 1): one.is_ready and not one.is_dead for one in self._workers}

    @property
    def silent_seconds(self) -> list[float]:
        """Return for each worker how long it has sent no counts; it sends them each second once the load has begun."""
        now = time.monotonic()
        return [now - max(worker.heard_at, min(self.began, now)) for worker in self._workers]

    async def begun(self) -> None:
        """Wait until every worker is ready; raises WorkersDied."""
        await self._begun.wait()
        if self.began == math.inf:
            raise WorkersDied("every worker of the load died before it began")

    def second_after(self, least_seconds: float) -> int:
        """Return the next whole second of the load that is far enough."""
        return math.ceil(time.monotonic() - self.began + least_seconds)

    async def end_at_a_second(self, least_seconds: float) -> float:
        """End at the next whole second that is far enough, so that another load can begin then; return the instant.

        Every worker answers when it ends. One that stood still until then names a later second, which holds for all: the
        share of those that have ended by then is counted as lost. One that does not answer is killed.
        """
        # A load that has not sent anything yet ends before its first transaction.
        second = max(self.second_after(least_seconds), 0)
        while (agreed := await self._agreed(second)) > second:
            second = agreed
        return self.began + second

    async def finish(self, least_seconds: float) -> None:
        """End at the next whole second that is far enough, and wait until all seconds before it were added up."""
        ended_at = await self.end_at_a_second(least_seconds)
        await asyncio.sleep(ended_at - time.monotonic())
        await self._until_folded(round(ended_at - self.began))

    async def _agreed(self, second: int) -> int:
        """Make all workers end, and return the latest of the seconds that they name."""
        self._plan = replace(self._first_plan, arrivals=Until(self._first_plan.arrivals, second))
        for worker in self._alive():
            worker.job = replace(worker.job, plan=self._plan)
            worker.ends_at = None
            worker.send(EndAt(second))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWERS_WITHIN_SECONDS):
                while self._silent():
                    self._answered.clear()
                    await self._answered.wait()
        for worker in self._silent():
            worker.end_now()
        return max((worker.ends_at or 0 for worker in self._alive()), default=0)

    def _silent(self) -> list[WorkerProcess]:
        return [worker for worker in self._alive() if worker.ends_at is None and not worker.is_done]

    @asynccontextmanager
    async def counting(self, tally: Tally) -> AsyncIterator[None]:
        """Count into a further tally the whole seconds from the next one to that in which the block ends.

        The block begins with the first of them, and its end waits until the last one is complete. A transaction that was
        sent before and ends within them counts as ended there, as in every second. When the block is cancelled, the
        second under way is left out. Raises WorkersDied.
        """
        await self.begun()
        first = max(math.ceil(time.monotonic() - self.began), 0)
        await asyncio.sleep(self.began + first - time.monotonic())
        interval = _Interval(tally, first)
        self._intervals.append(interval)
        is_hurried = False
        try:
            yield
        except asyncio.CancelledError:
            is_hurried = True
            raise
        finally:
            try:
                second = math.floor(time.monotonic() - self.began)
                interval.last = second - 1 if is_hurried else max(second, first)
                within = _LAST_SECOND_IN_A_HURRY_SECONDS if is_hurried else _LAST_SECOND_WITHIN_SECONDS
                await self._until_folded(interval.last + 1, within)
            finally:
                self._intervals.remove(interval)

    async def _until_folded(self, seconds: float, within_seconds: float = _LAST_SECOND_WITHIN_SECONDS) -> None:
        """Wait until so many seconds were added up; not for a worker that stands still."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self._folded_seconds < seconds:
                    self._folded.clear()
                    await self._folded.wait()

    async def run(self) -> None:
        """Send until the arrivals end or the task is cancelled; raises WorkersDied when every worker has died."""
        self._changed = asyncio.Event()
        try:
            await self._begin()
            while any(not worker.is_done for worker in self._alive()):
                await self._next_message()
                self._steps = self._adding_up()
                for _ in self._steps:
                    await asyncio.sleep(0)
            self._require_alive()
        finally:
            try:
                await self._stop()
            finally:
                self._end()

    async def _begin(self) -> None:
        """Start every process and, when all are ready, the load."""
        for index in range(self._count):
            worker = WorkerProcess(WorkerJob(self._probe, self._plan, index, self._count))
            self._workers.append(worker)
            watch(worker.connection, partial(self._receive, worker))
        while not all(worker.is_ready or worker.is_dead for worker in self._workers):
            await self._next_message()
        self.began = await self._start_at()
        self.started_at = time.time() + self.began - time.monotonic()
        for worker in self._alive():
            worker.send(self.began)
        self._begun.set()

    def _alive(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers if not worker.is_dead]

    def _require_alive(self) -> None:
        if not self._alive():
            raise WorkersDied("every worker of the load died; the system's log may say why (out of memory?)")

    async def _next_message(self) -> None:
        self._require_alive()
        await self._changed.wait()
        self._changed.clear()

    def _receive(self, worker: WorkerProcess) -> None:
        """Take one message of a worker: that it is ready, the counts of a second, or that it is done."""
        self._changed.set()
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._mark_dead(worker)
            return
        worker.is_ready = True
        worker.heard_at = time.monotonic()
        self._answered.set()
        if message is None:
            worker.is_done = True
        elif isinstance(message, EndAt):
            worker.ends_at = message.second
        elif isinstance(message, SecondCounts):
            worker.seconds[message.offset] = message
            worker.open_transactions = message.in_flight

    def _mark_dead(self, worker: WorkerProcess) -> None:
        asyncio.get_running_loop().remove_reader(worker.connection.fileno())
        if worker.is_done or worker.is_dead:
            return
        worker.is_dead = True
        self._answered.set()
        self._report(
            f"worker {worker.job.index + 1} of {self._count} (process {worker.process_id}) died;"
            " its share of the load is counted as lost"
        )

    def _adding_up(self) -> Iterator[None]:
        """Add every second that all workers have sent, in steps."""
        while self._is_complete(self._offset):
            second = SecondCounts(self._offset)
            for worker in self._workers:
                self._add_worker(second, worker)
            # After the end there are only late answers, and a rate of them means nothing.
            second.is_whole = second.is_whole and second.offset < ends_at(self._plan.arrivals)
            # The target rate stays that of all workers, also after one has died.
            second.target_rate = self._plan.arrivals.rate_at(second.offset + 0.5)
            self._offset += 1
            self._acknowledged(second.acknowledged)
            yield from self._folding(second)

    def _folding(self, second: SecondCounts) -> Iterator[None]:
        yield from self.tally.folding(second)
        for interval in tuple(self._intervals):
            if interval.first <= second.offset <= interval.last:
                yield from interval.tally.folding(second)
        if self.followers:
            # Not from the start of the load on: the wall clock may have been set since.
            began_at = time.time() - time.monotonic() + self.began + second.offset
            for follow in self.followers:
                yield from follow(second, began_at)
        self._have_folded(second.offset + 1)

    def _have_folded(self, seconds: float) -> None:
        self._folded_seconds = seconds
        self._folded.set()

    def _is_complete(self, offset: int) -> bool:
        if not any(offset in worker.seconds for worker in self._workers):
            return False
        return all(offset in worker.seconds or worker.is_done or worker.is_dead for worker in self._workers)

    def _add_worker(self, second: SecondCounts, worker: WorkerProcess) -> None:
        counts = worker.seconds.pop(second.offset, None)
        if counts is not None:
            worker.due += counts.due
            second.is_whole = second.is_whole and counts.is_whole
            second.add(counts)
        elif worker.is_dead:
            self._lose(second, worker, worker.job.shard.arrivals.due_by(min(second.offset + 1.0, self._until)))
        else:
            second.in_flight += worker.open_transactions
            second.most_in_flight += worker.open_transactions

    @staticmethod
    def _lose(second: SecondCounts, worker: WorkerProcess, due: int) -> None:
        """Count as lost what a worker did not send of its first `due`, and what it left unanswered if it is dead."""
        unsent = max(due - worker.due, 0)
        worker.due += unsent
        second.due += unsent
        second.lost += unsent
        if worker.is_dead:
            second.lost += worker.open_transactions
            worker.open_transactions = 0

    async def _stop(self) -> None:
        """Make the workers end, and wait for their last counts."""
        self._has_ended = bool(self._alive()) and all(worker.is_done for worker in self._alive())
        self._until = ends_at(self._plan.arrivals) if self._has_ended else time.monotonic() - self.began
        for worker in self._alive():
            worker.send("stop")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                # One that has not begun has counted nothing, and may take long to hear of the end.
                while any(worker.is_ready and not worker.is_done for worker in self._alive()):
                    await self._changed.wait()
                    self._changed.clear()

    def _end(self) -> None:
        """Kill the workers that have not ended, and add up the rest."""
        loop = asyncio.get_running_loop()
        for worker in self._workers:
            loop.remove_reader(worker.connection.fileno())
            worker.kill()
            worker.is_dead = not worker.is_done
        self._answered.set()
        for _ in itertools.chain(self._steps, self._adding_up()):
            pass
        self._add_losses()

    def _add_losses(self) -> None:
        """Count what workers did not send that died, or that ended before the others."""
        second = SecondCounts(self._offset, is_whole=False)
        for worker in self._workers:
            if worker.is_dead or self._has_ended:
                self._lose(second, worker, worker.job.shard.arrivals.due_by(self._until))
            if not worker.is_dead:
                second.in_flight += worker.open_transactions
                second.most_in_flight += worker.open_transactions
        if second.lost:
            for _ in self._folding(second):
                pass
        self._have_folded(math.inf)
        self._begun.set()


class WorkerProcess:
    """The process of one worker, started at once.

    `due` and `open_transactions` are its counts in the seconds that were added up; `seconds` are those to be added.
    `ends_at` is the second that it answered with when it was told to end.
    """

    def __init__(self, job: WorkerJob) -> None:
        context = multiprocessing.get_context("spawn")
        self.job = job
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(job, theirs), daemon=True)
        with _without_signals():
            self._process.start()
        theirs.close()
        self.process_id = self._process.pid or 0
        self.is_ready = self.is_done = self.is_dead = False
        self.heard_at = 0.0
        self.ends_at: int | None = None
        self.due = 0
        self.open_transactions = 0
        self.seconds: dict[int, SecondCounts] = {}

    def send(self, message: object) -> None:
        """Send a message; when the process has just died, its connection is about to end."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def end_now(self) -> None:
        """Kill the process; the end of its connection tells of it."""
        self._process.kill()

    def kill(self) -> None:
        """Kill the process, whatever its state, and forget it."""
        self.connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


@contextlib.contextmanager
def _without_signals() -> Iterator[None]:
    """Block SIGINT and SIGTERM for the processes started in the block: it takes a while until they ignore them."""
    resource_tracker.ensure_running()  # started later, it would unblock the signals
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
