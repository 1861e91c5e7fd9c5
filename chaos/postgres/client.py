"""The only file of the faults that speaks to PostgreSQL, through asyncpg.

Every command has a time limit, because an undo must end. `python -m alertdrill.chaos.postgres.client ENTRY_ID SETTINGS`
is the process that holds a lock or connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from alertdrill.chaos.machine import holder
from alertdrill.chaos.postgres.target import PostgresTarget
from alertdrill.chaos.secret_source import SecretMissing, read_secret

_LIMIT_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 0.05
_CLOSE_SECONDS = 1.0
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_OPENED_AT_ONCE = 10
# Without the connections of the fault and of the load.
_OTHERS = """
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name NOT LIKE 'alertdrill%'
  AND ($1::text IS NULL OR application_name = $1)
  AND ($2::text IS NULL OR usename = $2)
  AND ($3::text IS NULL OR datname = $3)
"""
_OWN = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()"
_MAY_LOCK = "SELECT has_table_privilege($1, 'UPDATE') OR has_table_privilege($1, 'DELETE')"


class PostgresFailed(Exception):
    """The server refused, could not be reached, or did not do what was requested."""


async def require_target(target: PostgresTarget) -> None:
    """Check, without a change, that the target exists and that alertdrill may break it."""
    async with _named_errors(target), _connected(target) as connection:
        if target.action == "lock":
            await _require_table(connection, str(target.table))
        elif target.action == "fill_pool":
            most = int(await connection.fetchval("SHOW max_connections"))
            if target.connections > most:
                raise PostgresFailed(f"it has {most} connections in all, expected at most that many")
        elif not await _other_connections(connection, target):
            named = target.backends.model_dump(exclude_none=True) if target.backends else {}
            raise PostgresFailed(f"there is no connection with {', '.join(f'{k} {v!r}' for k, v in named.items())}")


async def kill(target: PostgresTarget) -> None:
    """End the matching connections."""
    async with _named_errors(target), _connected(target) as connection:
        for pid in await _other_connections(connection, target):
            await connection.execute("SELECT pg_terminate_backend($1)", pid)


async def end_own(target: PostgresTarget) -> bool:
    """End the connections of a fault, and confirm that they are gone.

    Return whether their database still exists: without it they cannot.
    """
    async with _named_errors(target), asyncio.timeout(_LIMIT_SECONDS):
        try:
            async with _connected(target) as connection:
                while pids := [row["pid"] for row in await connection.fetch(_OWN, target.name)]:
                    for pid in pids:
                        await connection.execute("SELECT pg_terminate_backend($1)", pid)
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
        except asyncpg.InvalidCatalogNameError:
            return False
    return True


@asynccontextmanager
async def held(target: PostgresTarget) -> AsyncIterator[list[Any]]:
    """Hold the lock, or the connections, for the length of the block; yields the connections that hold them."""
    async with _named_errors(target), AsyncExitStack() as opened:
        if target.action == "lock":
            connection = await opened.enter_async_context(_connected(target, target.name))
            await _lock(connection, target)
            yield [connection]
        else:
            yield await _fill(opened, target)


async def _lock(connection: Any, target: PostgresTarget) -> None:  # noqa: ANN401 - asyncpg has no types
    await connection.execute(f"BEGIN; SET LOCAL lock_timeout = {round(_LIMIT_SECONDS * 1000)}")
    name = await _require_table(connection, str(target.table))
    await connection.execute(f"LOCK TABLE {name} IN {target.mode} MODE")


async def _fill(opened: AsyncExitStack, target: PostgresTarget) -> list[Any]:
    """Open the connections; stop when the server is full, which is the purpose."""
    filled: list[Any] = []
    for at in range(0, target.connections, _OPENED_AT_ONCE):
        count = min(_OPENED_AT_ONCE, target.connections - at)
        connecting = [opened.enter_async_context(_connected(target, target.name)) for _ in range(count)]
        results = await asyncio.gather(*connecting, return_exceptions=True)
        failed = [one for one in results if isinstance(one, BaseException)]
        filled += [one for one in results if not isinstance(one, BaseException)]
        if any(isinstance(one, asyncpg.TooManyConnectionsError) for one in failed):
            break
        if failed:
            raise failed[0]
    return filled


async def _other_connections(connection: Any, target: PostgresTarget) -> list[int]:  # noqa: ANN401 - asyncpg has no types
    meant = target.backends
    assert meant is not None  # noqa: S101 - required for this action
    return [row["pid"] for row in await connection.fetch(_OTHERS, meant.application_name, meant.user, meant.database)]


async def _require_table(connection: Any, table: str) -> str:  # noqa: ANN401 - asyncpg has no types
    """Find a table, and return its name in the syntax of SQL."""
    name = await connection.fetchval("SELECT to_regclass($1)::text", table)
    if name is None:
        raise PostgresFailed(f"the database has no table {table}")
    if not await connection.fetchval(_MAY_LOCK, name):
        user = await connection.fetchval("SELECT current_user")
        raise PostgresFailed(f"the user {user} may not lock {table}: it needs UPDATE or DELETE on it")
    return str(name)


@asynccontextmanager
async def _named_errors(target: PostgresTarget) -> AsyncIterator[None]:
    """Turn the errors of the block into PostgresFailed, with the server's address."""
    try:
        yield
    except (PostgresFailed, *_FAILURES) as error:
        server, reason = target.server, str(error) or type(error).__name__
        raise PostgresFailed(f"PostgreSQL at {server.host}:{server.port}: {reason}") from error


@asynccontextmanager
async def _connected(target: PostgresTarget, application_name: str = "alertdrill") -> AsyncIterator[Any]:
    server = target.server
    connection = await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.user or "postgres",
        password=read_secret(target.password_file, target.password_env),
        database=server.path or server.user or "postgres",
        ssl=target.tls.context() if target.tls else False,
        timeout=_LIMIT_SECONDS,
        command_timeout=2 * _LIMIT_SECONDS,
        server_settings={"application_name": application_name},
    )
    try:
        yield connection
    finally:
        with contextlib.suppress(*_FAILURES):
            await connection.close(timeout=_CLOSE_SECONDS)


async def main(text: str) -> None:
    """Hold a lock or connections until the agent or this process is ended; exits with the reason if it cannot."""
    try:
        async with held(PostgresTarget.model_validate_json(text)) as connections:
            holder.holding()
            # asyncpg learns from the server that a connection ended, without a question.
            await asyncio.to_thread(holder.hold_on, lambda: any(one.is_closed() for one in connections))
    except (PostgresFailed, SecretMissing) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[2]))
