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
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker

from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.load.load import Plan
from alertdrill.probes.load.second_counter import SecondCounts
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.load.worker import WorkerJob, work

_START_DELAY_SECONDS = 0.1
_PATIENCE_SECONDS = 2.0


class WorkersDied(Exception):
    """Every worker has died, so there is nothing left to send the load."""


class Workers:
    """The same as `Load`, in several processes; `report` is called with a text for each worker that died."""

    def __init__(
        self,
        probe: AnyProbe,
        plan: Plan,
        count: int,
        acknowledged: Callable[[list[str]], None] = lambda _: None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.tally = Tally()
        self.started_at = 0.0
        self.began = math.inf
        self._probe = probe
        self._plan = plan
        self._count = count
        self._acknowledged = acknowledged
        self._report = report
        self._offset = 0
        self._until = math.inf
        self._steps: Iterator[None] = iter(())
        self._workers: list[WorkerProcess] = []

    @property
    def process_ids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process_id for worker in self._workers]

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
        loop = asyncio.get_running_loop()
        for index in range(self._count):
            worker = WorkerProcess(WorkerJob(self._probe, self._plan, index, self._count))
            self._workers.append(worker)
            loop.add_reader(worker.connection.fileno(), self._receive, worker)
        while not all(worker.is_ready or worker.is_dead for worker in self._workers):
            await self._next_message()
        self.began = time.monotonic() + _START_DELAY_SECONDS
        self.started_at = time.time() + _START_DELAY_SECONDS
        for worker in self._alive():
            worker.send(self.began)

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
        if message is None:
            worker.is_done = True
        elif isinstance(message, SecondCounts):
            worker.seconds[message.offset] = message
            worker.open_transactions = message.in_flight

    def _mark_dead(self, worker: WorkerProcess) -> None:
        asyncio.get_running_loop().remove_reader(worker.connection.fileno())
        if worker.is_done or worker.is_dead:
            return
        worker.is_dead = True
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
            # The target rate stays that of all workers, also after one has died.
            second.target_rate = self._plan.arrivals.rate_at(second.offset + 0.5)
            self._offset += 1
            self._acknowledged(second.acknowledged)
            yield from self.tally.folding(second)

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
        """Count as lost what a dead worker did not send of its first `due` transactions, and what it left unanswered."""
        unsent = max(due - worker.due, 0)
        worker.due += unsent
        second.due += unsent
        second.lost += unsent + worker.open_transactions
        worker.open_transactions = 0

    async def _stop(self) -> None:
        """Tell the workers to end, and wait for their last counts."""
        ended = bool(self._alive()) and all(worker.is_done for worker in self._alive())
        self._until = self._plan.arrivals.duration_seconds or math.inf if ended else time.monotonic() - self.began
        for worker in self._alive():
            worker.send("stop")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while any(not worker.is_done for worker in self._alive()):
                    await self._changed.wait()
                    self._changed.clear()

    def _end(self) -> None:
        """Kill the workers that have not ended, and add up the rest."""
        loop = asyncio.get_running_loop()
        for worker in self._workers:
            loop.remove_reader(worker.connection.fileno())
            worker.kill()
            worker.is_dead = not worker.is_done
        for _ in itertools.chain(self._steps, self._adding_up()):
            pass
        self._add_losses()

    def _add_losses(self) -> None:
        """Count what dead workers lost after the last second that was added up."""
        second = SecondCounts(self._offset, is_whole=False)
        for worker in self._workers:
            if worker.is_dead:
                self._lose(second, worker, worker.job.shard.arrivals.due_by(self._until))
            else:
                second.in_flight += worker.open_transactions
                second.most_in_flight += worker.open_transactions
        if second.lost:
            self.tally.add(second)


class WorkerProcess:
    """The process of one worker, started at once.

    `due` and `open_transactions` are its counts in the seconds that were added up; `seconds` are those to be added.
    """

    def __init__(self, job: WorkerJob) -> None:
        context = multiprocessing.get_context("spawn")
        self.job = job
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(job, theirs), daemon=True)
        with _without_ctrl_c():
            self._process.start()
        theirs.close()
        self.process_id = self._process.pid or 0
        self.is_ready = self.is_done = self.is_dead = False
        self.due = 0
        self.open_transactions = 0
        self.seconds: dict[int, SecondCounts] = {}

    def send(self, message: object) -> None:
        """Send a message; when the process has just died, its connection is about to end."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def kill(self) -> None:
        """End the process, whatever its state."""
        self.connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Block SIGINT for the processes started in the block: they take a while until they ignore it themselves."""
    resource_tracker.ensure_running()  # started later, it would unblock the signal
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
