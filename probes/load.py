"""Open loop: transactions are sent when they are due, whether or not earlier ones have been answered."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from probes.arrivals import ConstantArrivals
from probes.outcome import Outcome
from probes.tally import Tally

# Under uvloop a sleep below one millisecond returns at once, and pacing would spin.
_SHORTEST_SLEEP_SECONDS = 0.001


class Client(Protocol):
    """Makes one transaction after another."""

    async def transact(self) -> Outcome:
        """Make one transaction; never raises for a failed one."""
        ...


class Load:
    """Transactions of one client at their due times, counted in a tally.

    At most `max_in_flight` are under way at once; what is due beyond that is counted as dropped.
    `started_at` is the wall time (Unix seconds) of the first due time.
    """

    def __init__(self, client: Client, arrivals: ConstantArrivals, max_in_flight: int = 10_000) -> None:
        self.tally = Tally()
        self.started_at = 0.0
        self._client = client
        self._arrivals = arrivals
        self._max_in_flight = max_in_flight

    async def run(self) -> None:
        """Send until cancelled; what is in flight then is broken off and stays counted in flight."""
        clock = asyncio.get_running_loop().time
        self.started_at, start = time.time(), clock()
        index, second = 0, 0
        async with asyncio.TaskGroup() as transactions:
            while True:
                elapsed = clock() - start
                while elapsed >= second + 1:
                    self.tally.close_second(second)
                    second += 1
                for due in range(index, self._arrivals.due_by(elapsed)):
                    self._send(transactions, start + self._arrivals.due_seconds(due))
                    index = due + 1
                wake_at = start + min(self._arrivals.due_seconds(index), float(second + 1))
                await asyncio.sleep(max(wake_at - clock(), _SHORTEST_SLEEP_SECONDS))

    def _send(self, transactions: asyncio.TaskGroup, due: float) -> None:
        if self.tally.in_flight >= self._max_in_flight:
            self.tally.drop()
            return
        self.tally.sent(asyncio.get_running_loop().time() - due)
        transactions.create_task(self._transact(due))

    async def _transact(self, due: float) -> None:
        outcome = await self._client.transact()
        self.tally.ended(outcome, asyncio.get_running_loop().time() - due)
