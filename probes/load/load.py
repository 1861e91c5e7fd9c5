"""A load in this process: one sender, whose seconds are added up beside it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from alertdrill.probes.client import AwaitedClient, Client, startable
from alertdrill.probes.load.recorder import SecondCounts
from alertdrill.probes.load.sender import Plan, Sender
from alertdrill.probes.load.tally import Tally

# A second, or a part of one, and the tallies that it belongs to.
_Counted = tuple[SecondCounts, tuple[Tally, ...]]


class Load:
    """Transactions of one client at their due times, counted in a tally.

    `started_at` is the wall time (Unix seconds) of the first due time, `began` the same instant by the monotonic
    clock, infinity before it. `acknowledged` is called each second with the ids of the transactions that succeeded
    in it, if the client keeps ids.
    """

    def __init__(
        self,
        client: Client | AwaitedClient,
        plan: Plan,
        acknowledged: Callable[[list[str]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.tally = Tally()
        self.started_at = 0.0
        self.began = math.inf
        self._client = client
        self._plan = plan
        self._acknowledged = acknowledged
        self._clock = clock
        self._wall = wall
        self._sender: Sender | None = None
        self._intervals: list[Tally] = []
        self._seconds: asyncio.Queue[_Counted] = asyncio.Queue()
        self._steps: Iterator[None] = iter(())

    async def run(self) -> None:
        """Send until the arrivals end or the task is cancelled; what is in flight then stays counted in flight."""
        try:
            async with asyncio.TaskGroup() as tasks, startable(self._client) as client:
                adding = tasks.create_task(self._add())
                self._sender = Sender(client, self._plan, self._take, self._clock)
                self.started_at, self.began = self._wall(), self._clock()
                try:
                    await self._sender.run(self.began)
                finally:
                    self._sender = None
                await self._seconds.join()
                adding.cancel()
        finally:
            # Whoever cancels reads the tally next, so what is left is added here and now.
            self._add_now()

    @asynccontextmanager
    async def counting(self, tally: Tally) -> AsyncIterator[None]:
        """Count into a further tally exactly what happens within the block, and nothing before or after it.

        The second under way is split at both ends. A transaction that was sent before the block and ends within it
        counts as ended there, as in every second.
        """
        self._split_second()
        self._intervals.append(tally)
        try:
            yield
        finally:
            self._split_second()
            self._intervals.remove(tally)
        await self._seconds.join()

    def _split_second(self) -> None:
        if self._sender is not None:
            self._sender.split_second()

    def _take(self, second: SecondCounts) -> None:
        self._seconds.put_nowait((second, (self.tally, *self._intervals)))

    async def _add(self) -> None:
        while True:
            counted = await self._seconds.get()
            self._steps = self._adding(counted)
            for _ in self._steps:
                await asyncio.sleep(0)

    def _add_now(self) -> None:
        for _ in self._steps:
            pass
        while not self._seconds.empty():
            for _ in self._adding(self._seconds.get_nowait()):
                pass

    def _adding(self, counted: _Counted) -> Iterator[None]:
        second, tallies = counted
        self._acknowledged(second.acknowledged)
        for tally in tallies:
            yield from tally.folding(second)
        self._seconds.task_done()


@asynccontextmanager
async def running(load: Load) -> AsyncIterator[None]:
    """Keep a load running for the length of the block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(load.run())
        yield
        task.cancel()
