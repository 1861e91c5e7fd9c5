"""A load in several processes: each sends its shard of the arrivals on a core of its own.

All take their start from one instant of CLOCK_MONOTONIC, which processes share, and send what they counted
second by second. A second is added up when every worker has told of it. The share of a worker that died is
counted as lost: the others keep to their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import uvloop

from probes.client import startable
from probes.recorder import SecondCounts
from probes.registry import AnyProbe
from probes.sender import Plan, Sender
from probes.tally import Tally

_START_DELAY_SECONDS = 0.1


class WorkersDied(Exception):
    """Not one worker is left to send the load."""


@dataclass(frozen=True)
class Job:
    """What a worker is to do: its shard of a load."""

    probe: AnyProbe
    plan: Plan
    index: int
    count: int

    @property
    def shard(self) -> Plan:
        """The worker's part of the plan."""
        return self.plan.shard(self.index, self.count)


@dataclass
class _Worker:
    job: Job
    process: BaseProcess
    connection: Connection
    told: int = 0
    open_transactions: int = 0
    is_done: bool = False
    is_dead: bool = False
    seconds: dict[int, SecondCounts] = field(default_factory=dict)


class Workers:
    """The same load as `Load`, in several processes; `tell` hears of each worker that died."""

    def __init__(
        self,
        probe: AnyProbe,
        plan: Plan,
        count: int,
        acknowledged: Callable[[list[str]], None] = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.tally = Tally()
        self.started_at = 0.0
        self.began = math.inf
        self._probe = probe
        self._plan = plan
        self._count = count
        self._acknowledged = acknowledged
        self._tell = tell
        self._offset = 0

    @property
    def process_ids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process.pid or 0 for worker in self._workers]

    async def run(self) -> None:
        """Send until the arrivals end or the task is cancelled; raises WorkersDied when none is left."""
        loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._workers = [self._started(index) for index in range(self._count)]
        try:
            for worker in self._workers:
                loop.add_reader(worker.connection.fileno(), self._hear, worker)
            while not all(worker.told or worker.is_dead for worker in self._workers):
                await self._news()
            start = self.began = time.monotonic() + _START_DELAY_SECONDS
            self.started_at = time.time() + _START_DELAY_SECONDS
            for worker in self._alive():
                worker.connection.send(start)
            while any(not worker.is_done for worker in self._alive()):
                await self._news()
                for _ in self._adding_up():
                    await asyncio.sleep(0)
            self._require_alive()
        finally:
            await self._stop()

    def _started(self, index: int) -> _Worker:
        job = Job(self._probe, self._plan, index, self._count)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(job, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(job, process, ours)

    def _alive(self) -> list[_Worker]:
        return [worker for worker in self._workers if not worker.is_dead]

    def _require_alive(self) -> None:
        if not self._alive():
            raise WorkersDied("every worker of the load died; the system's log may say why (out of memory?)")

    async def _news(self) -> None:
        self._require_alive()
        await self._changed.wait()
        self._changed.clear()

    def _hear(self, worker: _Worker) -> None:
        """Take one message: that the worker is ready, a second, or that it is done."""
        self._changed.set()
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        worker.told += 1
        if message is None:
            worker.is_done = True
        elif isinstance(message, SecondCounts):
            worker.seconds[message.offset] = message
            worker.open_transactions = message.in_flight

    def _bury(self, worker: _Worker) -> None:
        asyncio.get_running_loop().remove_reader(worker.connection.fileno())
        if worker.is_done or worker.is_dead:
            return
        worker.is_dead = True
        self._tell(
            f"worker {worker.job.index + 1} of {self._count} (process {worker.process.pid}) died;"
            " its share of the load is counted as lost"
        )

    def _adding_up(self) -> Iterator[None]:
        """Add every second that all workers have told of, in steps."""
        while self._is_told(self._offset):
            second = SecondCounts(self._offset)
            for worker in self._workers:
                self._add_worker(second, worker)
            self._offset += 1
            self._acknowledged(second.acknowledged)
            yield from self.tally.folding(second)

    def _is_told(self, offset: int) -> bool:
        if not any(offset in worker.seconds for worker in self._workers):
            return False
        return all(offset in worker.seconds or worker.is_done or worker.is_dead for worker in self._workers)

    def _add_worker(self, second: SecondCounts, worker: _Worker) -> None:
        told = worker.seconds.pop(second.offset, None)
        if told is not None:
            second.is_whole = second.is_whole and told.is_whole
            second.add(told)
        elif worker.is_dead:
            shard = worker.job.shard.arrivals
            unsent = shard.due_by(second.offset + 1.0) - shard.due_by(float(second.offset))
            second.due += unsent
            second.lost += unsent + worker.open_transactions
            worker.open_transactions = 0
        else:
            second.in_flight += worker.open_transactions

    async def _stop(self) -> None:
        """Ask the workers to end, take their last words, and end those that do not."""
        loop = asyncio.get_running_loop()
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.connection.send("stop")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                while any(not worker.is_done for worker in self._alive()):
                    await self._changed.wait()
                    self._changed.clear()
        for _ in self._adding_up():
            pass
        for worker in self._workers:
            loop.remove_reader(worker.connection.fileno())
            worker.connection.close()
            worker.process.kill()
            worker.process.join()


def _work(job: Job, connection: Connection) -> None:
    """Be a worker: the main function of its process."""
    # Ctrl-C in a terminal reaches every process of the group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(_worker(job, connection))


async def _worker(job: Job, connection: Connection) -> None:
    loop, words = asyncio.get_running_loop(), asyncio.Queue[object]()

    def hear() -> None:
        try:
            words.put_nowait(connection.recv())
        except (EOFError, OSError):
            loop.remove_reader(connection.fileno())
            words.put_nowait("stop")

    loop.add_reader(connection.fileno(), hear)
    async with job.probe.opened(job.index, job.count) as opened, startable(opened) as client:
        connection.send("ready")
        start = await words.get()
        if not isinstance(start, float):
            return
        sender = Sender(client, job.shard, connection.send)
        sending = asyncio.ensure_future(sender.run(start))
        stopped = asyncio.ensure_future(words.get())
        await asyncio.wait({sending, stopped}, return_when=asyncio.FIRST_COMPLETED)
        sending.cancel()
        stopped.cancel()
        await asyncio.wait({sending, stopped})
        connection.send(None)
    if not sending.cancelled():
        sending.result()
