"""What the load needs of a probe: start a transaction now, and hear of its end later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, runtime_checkable

from alertdrill.probes.outcome import Outcome

Ended = Callable[[Outcome], None]


@runtime_checkable
class KeepsIds(Protocol):
    """Keeps the ids of the transactions that were acknowledged."""

    def take_acknowledged(self) -> list[str]:
        """Hand over the ids of the transactions acknowledged since the last call; none unless asked for."""
        ...


@runtime_checkable
class Client(KeepsIds, Protocol):
    """Starts transactions without waiting for their ends."""

    def start(self, ended: Ended) -> None:
        """Start one transaction; `ended` is called once, later or at once, and nothing is raised."""
        ...


class AwaitedClient(Protocol):
    """Makes one transaction in a coroutine: what most kinds of probe are; may keep ids as well."""

    async def transact(self) -> Outcome:
        """Make one transaction; never raises for a failed one."""
        ...


Opened = AbstractAsyncContextManager[Client | AwaitedClient]
"""A client for the length of a block."""


class _TaskClient:
    """A task for each transaction of an awaited client."""

    def __init__(self, client: AwaitedClient, tasks: asyncio.TaskGroup) -> None:
        self._client = client
        self._tasks = tasks
        self.running: set[asyncio.Task[None]] = set()

    def start(self, ended: Ended) -> None:
        task = self._tasks.create_task(self._transact(ended))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _transact(self, ended: Ended) -> None:
        ended(await self._client.transact())

    def take_acknowledged(self) -> list[str]:
        return self._client.take_acknowledged() if isinstance(self._client, KeepsIds) else []


@asynccontextmanager
async def startable(client: Client | AwaitedClient) -> AsyncIterator[Client]:
    """Yield a client that starts transactions; what is under way at the block's end is broken off."""
    if isinstance(client, Client):
        yield client
        return
    async with asyncio.TaskGroup() as tasks:
        each = _TaskClient(client, tasks)
        try:
            yield each
        finally:
            for task in list(each.running):
                task.cancel()
