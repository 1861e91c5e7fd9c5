"""The interface between a load and a probe: start a transaction now, and be called back at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, runtime_checkable

from alertdrill.probes.outcome import UNFINISHED, Outcome

Ended = Callable[[Outcome], None]


@runtime_checkable
class KeepsIds(Protocol):
    """Keeps the ids of acknowledged transactions."""

    def take_acknowledged(self) -> list[str]:
        """Return the ids acknowledged since the last call; empty unless the settings ask for ids."""
        ...


@runtime_checkable
class Client(KeepsIds, Protocol):
    """Starts transactions without waiting for their ends."""

    def start(self, ended: Ended) -> None:
        """Start one transaction; never raises, and calls `ended` once, at once or later."""
        ...


@runtime_checkable
class CutsOff(Protocol):
    """Can end the transactions that are in flight."""

    def cut_off(self) -> None:
        """End every transaction in flight, at once or soon, with the reason `unfinished`; none is started after it."""
        ...


class AwaitedClient(Protocol):
    """Makes each transaction in a coroutine, as most kinds of probe do; may keep ids as well."""

    async def transact(self) -> Outcome:
        """Make one transaction; never raises for a failed one."""
        ...


Opened = AbstractAsyncContextManager[Client | AwaitedClient]
"""A client for the length of a block."""


class _TaskClient:
    """Starts a task for each transaction of an awaited client."""

    def __init__(self, client: AwaitedClient, tasks: asyncio.TaskGroup, checks: tuple[str, ...]) -> None:
        self._client = client
        self._tasks = tasks
        self._checks = checks
        self._is_cut_off = False
        self.running: set[asyncio.Task[None]] = set()

    def start(self, ended: Ended) -> None:
        task = self._tasks.create_task(self._transact(ended))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _transact(self, ended: Ended) -> None:
        try:
            outcome = await self._client.transact()
        except asyncio.CancelledError:
            if not self._is_cut_off:
                raise
            outcome = Outcome("unfinished", UNFINISHED, self._checks)
        ended(outcome)

    def cut_off(self) -> None:
        self._is_cut_off = True
        if isinstance(self._client, CutsOff):
            self._client.cut_off()
        for task in list(self.running):
            task.cancel()

    def take_acknowledged(self) -> list[str]:
        return self._client.take_acknowledged() if isinstance(self._client, KeepsIds) else []


@asynccontextmanager
async def startable(client: Client | AwaitedClient, checks: tuple[str, ...] = ()) -> AsyncIterator[Client]:
    """Yield a client that starts transactions; those still running at the block's end are cancelled.

    `checks` are the names of the checks that a transaction without an answer fails.
    """
    if isinstance(client, Client):
        yield client
        return
    async with asyncio.TaskGroup() as tasks:
        each = _TaskClient(client, tasks, checks)
        try:
            yield each
        finally:
            for task in list(each.running):
                task.cancel()
