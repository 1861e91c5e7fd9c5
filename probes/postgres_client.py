"""The only file of the probes that uses asyncpg: the client of PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from alertdrill.probes.failures import explain
from alertdrill.probes.outcome import Outcome, Reason
from alertdrill.probes.postgres import PostgresProbe

_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_NOT_ACCEPTED = (asyncpg.TooManyConnectionsError, asyncpg.CannotConnectNowError)
_BROKEN_OFF = (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.PostgresConnectionError)
# A query without an answer is cancelled at the server. A connection on which that takes longer is closed.
_GIVE_BACK_SECONDS = 2.0


class PostgresClient:
    """Makes the transactions of one `PostgresProbe` on a pool's connections."""

    def __init__(self, probe: PostgresProbe, pool: Any, tasks: asyncio.TaskGroup) -> None:  # noqa: ANN401 - asyncpg has no types
        self._probe = probe
        self._pool = pool
        self._tasks = tasks
        self._limit_seconds = probe.timeout.total_seconds()
        self.given_back: set[asyncio.Task[None]] = set()

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        try:
            async with asyncio.timeout(self._limit_seconds):
                rows = await self._fetch()
        except _FAILURES as error:
            return self._probe.without_answer(*_explain(error, self._limit_seconds))
        return _judge(self._probe, rows)

    async def _fetch(self) -> list[Any]:
        connection = await self._pool.acquire()
        try:
            rows: list[Any] = await connection.fetch(self._probe.query)
            return rows
        finally:
            # In a task of its own: cancelling a query takes a round trip, for which no transaction should wait.
            task = self._tasks.create_task(self._give_back(connection))
            self.given_back.add(task)
            task.add_done_callback(self.given_back.discard)

    async def _give_back(self, connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        with contextlib.suppress(*_FAILURES):
            await self._pool.release(connection, timeout=_GIVE_BACK_SECONDS)


@asynccontextmanager
async def opened(probe: PostgresProbe, shard: int, shards: int) -> AsyncIterator[PostgresClient]:
    """Open the pool for the length of the block: connections open at first use, and all workers share `pool_size`."""
    del shard
    server = probe.server
    async with asyncio.TaskGroup() as tasks:
        pool = await asyncpg.create_pool(
            host=server.host,
            port=server.port,
            user=server.user or "postgres",
            password=probe.password.get_secret_value() if probe.password else None,
            database=server.path or server.user or "postgres",
            ssl=probe.tls.context() if probe.tls else False,
            min_size=0,
            max_size=max(probe.pool_size // shards, 1),
            # By default asyncpg resets the session after each use and reconnects after 50,000 queries: some
            # transactions would wait for these round trips.
            reset=_keep_session,
            max_queries=2**31,
            command_timeout=probe.timeout.total_seconds(),
            server_settings={"application_name": "alertdrill"},
        )
        client = PostgresClient(probe, pool, tasks)
        try:
            yield client
        finally:
            # Queries that were broken off must be cancelled at the server as well.
            if client.given_back:
                await asyncio.wait(client.given_back)
            pool.terminate()


async def _keep_session(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    """Leave a session as it is."""


def _judge(probe: PostgresProbe, rows: list[Any]) -> Outcome:
    """Compare an answer with the checks of the file."""
    misses: dict[str, str] = {}
    if probe.rows is not None and not probe.rows.holds(str(len(rows))):
        misses[f"row count {probe.rows.words}"] = probe.rows.explain("row count", str(len(rows)))
    if probe.value is not None:
        if not rows or not len(rows[0]):
            misses[f"value {probe.value.words}"] = f"there is no value, expected one that {probe.value.words}"
        elif not probe.value.holds(_as_text(rows[0][0])):
            misses[f"value {probe.value.words}"] = probe.value.explain("value", _as_text(rows[0][0]))
    return Outcome("check", next(iter(misses.values())), tuple(misses)) if misses else Outcome()


def _as_text(value: object) -> str:
    """Format a value as text: NULL as `null`, a boolean as `true` or `false`, any other value as Python does."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _explain(error: Exception, limit_seconds: float) -> tuple[Reason, str]:
    """Return the reason why there is no answer, and a text."""
    if isinstance(error, OSError):
        refuses_tls = isinstance(error, ConnectionError) and "rejected SSL" in str(error)
        return ("tls", str(error)) if refuses_tls else explain(error, limit_seconds)
    if isinstance(error, _NOT_ACCEPTED):
        return "refused", str(error)
    if isinstance(error, _BROKEN_OFF):
        return "reset", str(error)
    return "bad_answer", str(error) or type(error).__name__
