"""The only file of the faults that speaks to PostgreSQL, through asyncpg.

Every command has a time limit, because an undo must end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from alertdrill.chaos.secret_source import read_secret

if TYPE_CHECKING:
    from alertdrill.chaos.postgres.fault import PostgresInjection

_LIMIT_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 0.05
_CLOSE_SECONDS = 1.0
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_OPENED_AT_ONCE = 10
# Ours are the fault's own, and those of the load.
_THEIRS = """
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name NOT LIKE 'alertdrill%'
  AND ($1::text IS NULL OR application_name = $1)
  AND ($2::text IS NULL OR usename = $2)
  AND ($3::text IS NULL OR datname = $3)
"""
_OWN = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()"
_MAY_LOCK = "SELECT has_table_privilege($1, 'UPDATE') OR has_table_privilege($1, 'DELETE')"


class PostgresFailed(Exception):
    """The server refused, could not be reached, or did not do what it was told."""


async def require_target(injection: PostgresInjection) -> None:
    """Make sure, without changing anything, that there is something to break and that we may."""
    async with _told(injection), _connected(injection) as connection:
        if injection.action == "lock":
            await _require_table(connection, str(injection.table))
        elif injection.action == "fill_pool":
            most = int(await connection.fetchval("SHOW max_connections"))
            if injection.connections > most:
                raise PostgresFailed(f"it has {most} connections in all, expected at most that many")
        elif not await _theirs(connection, injection):
            named = injection.backends.model_dump(exclude_none=True) if injection.backends else {}
            raise PostgresFailed(f"nobody is connected with {', '.join(f'{k} {v!r}' for k, v in named.items())}")


async def kill(injection: PostgresInjection) -> None:
    """End the connections that are meant."""
    async with _told(injection), _connected(injection) as connection:
        for pid in await _theirs(connection, injection):
            await connection.execute("SELECT pg_terminate_backend($1)", pid)


async def end_own(injection: PostgresInjection) -> None:
    """End the connections of a fault, and confirm that they are gone."""
    async with _told(injection), asyncio.timeout(_LIMIT_SECONDS), _connected(injection) as connection:
        while pids := [row["pid"] for row in await connection.fetch(_OWN, injection.name)]:
            for pid in pids:
                await connection.execute("SELECT pg_terminate_backend($1)", pid)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


@asynccontextmanager
async def held(injection: PostgresInjection) -> AsyncIterator[None]:
    """Hold the lock, or the connections, for the length of the block."""
    async with _told(injection), AsyncExitStack() as opened:
        if injection.action == "lock":
            await _lock(await opened.enter_async_context(_connected(injection, injection.name)), injection)
        else:
            await _fill(opened, injection)
        yield


async def _lock(connection: Any, injection: PostgresInjection) -> None:  # noqa: ANN401 - asyncpg has no types
    await connection.execute(f"BEGIN; SET LOCAL lock_timeout = {round(_LIMIT_SECONDS * 1000)}")
    name = await _require_table(connection, str(injection.table))
    await connection.execute(f"LOCK TABLE {name} IN {injection.mode} MODE")


async def _fill(opened: AsyncExitStack, injection: PostgresInjection) -> None:
    """Open the connections; a server that has none left is full, as was wanted."""
    for at in range(0, injection.connections, _OPENED_AT_ONCE):
        count = min(_OPENED_AT_ONCE, injection.connections - at)
        connecting = [opened.enter_async_context(_connected(injection, injection.name)) for _ in range(count)]
        for one in await asyncio.gather(*connecting, return_exceptions=True):
            if isinstance(one, asyncpg.TooManyConnectionsError):
                return
            if isinstance(one, BaseException):
                raise one


async def _theirs(connection: Any, injection: PostgresInjection) -> list[int]:  # noqa: ANN401 - asyncpg has no types
    meant = injection.backends
    assert meant is not None  # noqa: S101 - the settings have it for this action
    return [row["pid"] for row in await connection.fetch(_THEIRS, meant.application_name, meant.user, meant.database)]


async def _require_table(connection: Any, table: str) -> str:  # noqa: ANN401 - asyncpg has no types
    """Find a table, and spell its name as SQL does."""
    name = await connection.fetchval("SELECT to_regclass($1)::text", table)
    if name is None:
        raise PostgresFailed(f"the database has no table {table}")
    if not await connection.fetchval(_MAY_LOCK, name):
        user = await connection.fetchval("SELECT current_user")
        raise PostgresFailed(f"the user {user} may not lock {table}: it needs UPDATE or DELETE on it")
    return str(name)


@asynccontextmanager
async def _told(injection: PostgresInjection) -> AsyncIterator[None]:
    """Tell what fails in the block as PostgresFailed, with the server's address."""
    try:
        yield
    except (PostgresFailed, *_FAILURES) as error:
        server, reason = injection.server, str(error) or type(error).__name__
        raise PostgresFailed(f"PostgreSQL at {server.host}:{server.port}: {reason}") from error


@asynccontextmanager
async def _connected(injection: PostgresInjection, application_name: str = "alertdrill") -> AsyncIterator[Any]:
    server = injection.server
    connection = await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.user or "postgres",
        password=read_secret(injection.password_file, injection.password_env),
        database=server.path or server.user or "postgres",
        ssl=injection.tls.context() if injection.tls else False,
        timeout=_LIMIT_SECONDS,
        command_timeout=2 * _LIMIT_SECONDS,
        server_settings={"application_name": application_name},
    )
    try:
        yield connection
    finally:
        with contextlib.suppress(*_FAILURES):
            await connection.close(timeout=_CLOSE_SECONDS)
