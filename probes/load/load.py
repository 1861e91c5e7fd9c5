"""A load: transactions of one client, each sent when it is due, even if earlier ones are not answered (open loop).

Other packages run a `Load`. Its `Sender` sends and counts, second by second; another task adds the seconds up.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from alertdrill.probes.client import AwaitedClient, Client, CutsOff, startable
from alertdrill.probes.load.arrivals import Arrivals, Shard, Until
from alertdrill.probes.load.pacer import Pacer, pacing
from alertdrill.probes.load.second_counter import SecondCounter, SecondCounts
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.outcome import Outcome

# At high rates one wake-up sends all that became due in this time, so some are late by as much.
_SHORTEST_GAP_SECONDS = 0.00025
# After a stall, transactions that are later than this are not sent: they would be a burst beyond the planned rate.
_LONGEST_LATENESS_SECONDS = 1.0
# Transactions that are cut off end with the next rounds of the loop.
_CUT_OFF_SECONDS = 1.0


@dataclass(frozen=True)
class LoadPlan:
    """When to send, how many transactions may be in flight, and how long to wait for the last answers."""

    arrivals: Arrivals
    max_in_flight: int = 10_000
    graceful_stop_seconds: float = 30.0

    def shard(self, index: int, count: int) -> LoadPlan:
        """Return the plan of one of several workers, which share the arrivals and the limit."""
        return replace(
            self, arrivals=Shard(self.arrivals, index, count), max_in_flight=max(self.max_in_flight // count, 1)
        )


# A second, or a part of one, and the tallies that it belongs to.
_Counted = tuple[SecondCounts, tuple[Tally, ...]]


class Load:
    """Transactions of one client at their due times, counted in a tally.

    `started_at` is the wall time (Unix seconds) of the first due time. `began` is the same instant by the monotonic
    clock; it is infinity before that. `acknowledged` is called each second with the ids of the transactions that
    succeeded in it, if the client keeps ids.
    """

    def __init__(
        self,
        client: Client | AwaitedClient,
        plan: LoadPlan,
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
        """Send until the arrivals end or the task is cancelled; what is in flight then stays counted as in flight."""
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
            # The caller reads the tally after a cancellation, so the rest is added at once.
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


class Sender:
    """Sends one client's transactions at their due times, and counts them second by second.

    At most the plan's `max_in_flight` are in flight at once. A transaction beyond that is counted as dropped, and so
    is one that is more than a second late because this process was stalled. `on_second` is called with each second.
    """

    def __init__(
        self,
        client: Client,
        plan: LoadPlan,
        on_second: Callable[[SecondCounts], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._plan = plan
        self._arrivals: Arrivals = plan.arrivals
        self._on_second = on_second
        self._clock = clock
        self._counter = SecondCounter()
        self._start = 0.0
        self._index = 0
        self._due = self._due_after = self._planned = 0.0
        self._second = 0
        self._is_split = False
        self._all_sent = False
        self._pacer: Pacer
        self._finished: asyncio.Future[None]

    @property
    def in_flight(self) -> int:
        """The number of transactions that have been sent and not answered."""
        return self._counter.in_flight

    async def run(self, start: float) -> None:
        """Send from the instant `start` of the clock until the arrivals end and the last transaction is answered.

        Transactions without an answer stay counted as in flight when the task is cancelled. When the plan's time for
        missing answers is over, they are cut off and count as failed, with the reason `unfinished`.
        """
        self._start, self._index, self._second, self._all_sent = start, 0, 0, False
        self._is_cut_off = False
        self._due, self._due_after = self._arrivals.due_seconds(0), self._arrivals.due_seconds(1)
        self._finished = asyncio.get_running_loop().create_future()
        ends_at = self._arrivals.duration_seconds
        self._ends_at = math.inf if ends_at is None else ends_at
        self._gives_up_at = self._ends_at + self._plan.graceful_stop_seconds
        with pacing(self._wake, self._clock) as self._pacer:
            self._planned = start
            self._pacer.wake_at(start, math.inf)
            try:
                await self._finished
            finally:
                # A load whose duration is a number of full seconds leaves nothing here.
                if self._counter.has_counted:
                    self._close_second(is_whole=False)

    def end_at(self, second: int) -> int:
        """Send nothing that is due from a second of the load on, and end when the rest is answered; return the second.

        If it has begun already, it is the next one, because some of it may be sent.
        """
        second = max(second, math.floor(self._clock() - self._start) + 1)
        self._arrivals = Until(self._plan.arrivals, second)
        self._ends_at = self._arrivals.duration_seconds
        self._gives_up_at = self._ends_at + self._plan.graceful_stop_seconds
        self._due = self._arrivals.due_seconds(self._index)
        self._due_after = self._arrivals.due_seconds(self._index + 1)
        self._wake()
        return second

    def _wake(self) -> None:
        try:
            self._send_due()
        except Exception as error:  # noqa: BLE001 - a bug in the loop's callback must reach the task that awaits
            if not self._finished.done():
                self._finished.set_exception(error)

    def _send_due(self) -> None:
        counter, start, clock = self._counter, self._start, self._clock
        now = clock()
        elapsed, due = now - start, self._due
        while due <= elapsed:
            while due >= self._second + 1:
                self._close_second()
            if elapsed - due > _LONGEST_LATENESS_SECONDS or counter.in_flight >= self._plan.max_in_flight:
                counter.dropped()
            else:
                sent = clock()
                counter.sent(sent - start - due)
                self._client.start(partial(self._ended, start + due, sent))
            due = self._take_next()
        while elapsed >= self._second + 1:
            self._close_second()
        self._all_sent = due == math.inf
        if self._all_sent:
            self._end_or_wait(elapsed, now)
            return
        self._wake_for(due, now)

    def _end_or_wait(self, elapsed: float, now: float) -> None:
        """End after the arrivals' duration, or, if answers are missing then, after the plan's time for them."""
        if self._counter.in_flight > 0 and elapsed >= self._gives_up_at:
            self._cut_off(elapsed)
        ends_at = self._ends_at
        if self._counter.in_flight > 0 and elapsed >= ends_at:
            ends_at = self._gives_up_at
        if elapsed < ends_at:
            self._wake_for(ends_at, now)
        elif not self._finished.done():
            self._finished.set_result(None)

    def _cut_off(self, elapsed: float) -> None:
        if self._is_cut_off or not isinstance(self._client, CutsOff):
            return
        self._is_cut_off = True
        self._gives_up_at = elapsed + _CUT_OFF_SECONDS
        self._client.cut_off()

    def _take_next(self) -> float:
        """Go on to the next transaction and return its due time; infinity after the last."""
        self._due = self._due_after
        self._index += 1
        self._due_after = self._arrivals.due_seconds(self._index + 1)
        return self._due

    def _wake_for(self, due: float, now: float) -> None:
        # The instants are planned one after the other, so that the pacer can be given the one after next as well.
        earliest = self._planned + _SHORTEST_GAP_SECONDS if now >= self._planned else self._planned
        self._planned = max(self._start + min(due, self._second + 1.0), earliest)
        then = max(self._start + self._due_after, self._planned + _SHORTEST_GAP_SECONDS)
        self._pacer.wake_at(self._planned, then)

    def _ended(self, due: float, sent: float, outcome: Outcome) -> None:
        now = self._clock()
        self._counter.ended(outcome, now - due, now - sent)
        if self._all_sent and self._counter.in_flight == 0 and now - self._start >= self._ends_at:
            self._wake()

    def split_second(self) -> None:
        """Hand over the counts of the current second so far; its end hands over the rest, as another part."""
        self._wake()  # what is due by now belongs to the part before
        self._is_split = True
        self._hand_over(is_whole=False)

    def _close_second(self, *, is_whole: bool = True) -> None:
        self._hand_over(is_whole=is_whole and not self._is_split)
        self._is_split = False
        self._second += 1

    def _hand_over(self, *, is_whole: bool) -> None:
        # The rate in the middle of a second is the mean rate of that second on a ramp.
        rate, ids = self._arrivals.rate_at(self._second + 0.5), self._client.take_acknowledged()
        self._on_second(self._counter.close(self._second, rate, ids, is_whole=is_whole))
