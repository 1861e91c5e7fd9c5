"""A load in this process: one sender, whose seconds are added up beside it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from alertdrill.probes.client import AwaitedClient, Client, startable
from alertdrill.probes.load.second_counter import SecondCounts
from alertdrill.probes.load.sender import Plan, Sender
from alertdrill.probes.load.tally import Tally


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
    ) -> None:
        self.tally = Tally()
        self.started_at = 0.0
        self.began = math.inf
        self._client = client
        self._plan = plan
        self._acknowledged = acknowledged
        self._clock = clock
        self._steps: Iterator[None] = iter(())

    async def run(self) -> None:
        """Send until the arrivals end or the task is cancelled; what is in flight then stays counted in flight."""
        seconds: asyncio.Queue[SecondCounts | None] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as tasks, startable(self._client) as client:
                tasks.create_task(self._add(seconds))
                sender = Sender(client, self._plan, seconds.put_nowait, self._clock)
                self.started_at, self.began = time.time(), self._clock()
                await sender.run(self.began)
                seconds.put_nowait(None)
        finally:
            # Whoever cancels reads the tally next, so what is left is added here and now.
            self._add_now(seconds)

    async def _add(self, seconds: asyncio.Queue[SecondCounts | None]) -> None:
        while second := await seconds.get():
            self._acknowledged(second.acknowledged)
            self._steps = self.tally.folding(second)
            for _ in self._steps:
                await asyncio.sleep(0)

    def _add_now(self, seconds: asyncio.Queue[SecondCounts | None]) -> None:
        for _ in self._steps:
            pass
        while not seconds.empty():
            if second := seconds.get_nowait():
                self._acknowledged(second.acknowledged)
                self.tally.add(second)


@asynccontextmanager
async def running(load: Load) -> AsyncIterator[None]:
    """Keep a load running for the length of the block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(load.run())
        yield
        task.cancel()
