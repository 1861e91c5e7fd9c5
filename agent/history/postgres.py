"""The history on a PostgreSQL server: the only file of the agent that uses asyncpg.

The thread that opened the connection waits for each statement, in an event loop of its own. Every step has a time limit.
All tables are in the schema `alertdrill`, so that those of others can have any name.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from typing import Any, TypeVar

import asyncpg

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.connection import Database, HistoryUnavailable, NameTaken, Row

SCHEMA = "alertdrill"
_CONNECT_SECONDS = 20.0
_STATEMENT_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA", "WITHOUT ROWID": ""}
_NOT_CONNECTED = re.compile(r"\[Errno (\d+)\] Connect call failed \([^)]*\)")
_Result = TypeVar("_Result")


class PostgresDatabase(Database):
    """A connection to a server."""

    def __init__(self, agent: str, shown: str, runner: asyncio.Runner, connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        super().__init__(agent)
        self._shown = shown
        self._runner = runner
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Execute one statement, and return its rows."""
        text = _spelled(statement)
        if not values and not text.lstrip().startswith("SELECT"):
            self._run(self._connection.execute(text))
            return []
        return [tuple(row) for row in self._run(self._connection.fetch(text, *values))]

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""
        self._run(self._connection.executemany(_spelled(statement), rows))

    @property
    def version(self) -> int:
        """The number of the schema, 0 if there is none."""
        if "meta" not in self.tables():
            return 0
        return max((int(found) for (found,) in self.execute("SELECT schema FROM meta")), default=0)

    def set_version(self, version: int) -> None:
        """Set the number of the schema."""
        self.execute("CREATE TABLE IF NOT EXISTS meta (schema INTEGER NOT NULL)")
        self.execute("DELETE FROM meta")
        self.executemany("INSERT INTO meta VALUES (?)", [(version,)])

    def tables(self) -> set[str]:
        """Return the names of all tables."""
        return {
            name for (name,) in self.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = ?", (SCHEMA,))
        }

    def wait_for_others(self) -> None:
        """Wait, within a transaction, until no other connection changes the tables."""
        self.execute("SELECT pg_advisory_xact_lock(?)", (_lock_key(""),))

    def claim(self) -> None:
        """Be the only writer of this agent's rows while the connection is open; raises if there is another one."""
        ((is_mine,),) = self.execute("SELECT pg_try_advisory_lock(?)", (_lock_key(self.agent),))
        if not is_mine:
            raise NameTaken(
                f"{self._shown}: another agent writes as {self.agent}: each needs a name of its own (history.agent)"
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write everything of the block or nothing, one writer of an agent's rows after another."""
        with super().writing():
            self.execute("SELECT pg_advisory_xact_lock(?)", (_lock_key(f"{self.agent} writes"),))
            yield

    def shrink(self) -> None:
        """Do nothing: the server cleans up by itself."""

    def _roll_back(self) -> None:
        # A connection that is lost has rolled back.
        with suppress(HistoryUnavailable):
            self.execute("ROLLBACK")

    def _run(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        with _explained(self._shown):
            return self._runner.run(call)


@contextmanager
def opened(history: HistorySettings, shown: str, busy_seconds: float) -> Iterator[PostgresDatabase]:
    """Connect for the length of the block, in a thread without an event loop; raises HistoryUnavailable."""
    with asyncio.Runner() as runner:
        with _explained(shown):
            connection = runner.run(_connected(history, busy_seconds))
        try:
            yield PostgresDatabase(history.key, shown, runner, connection)
        finally:
            runner.run(_closed(connection))


async def _connected(history: HistorySettings, busy_seconds: float) -> Any:  # noqa: ANN401 - asyncpg has no types
    server = history.server
    assert server is not None  # noqa: S101 - files are opened elsewhere
    connection = await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.user or "postgres",
        password=history.password.get_secret_value() if history.password else None,
        database=server.path or server.user or "postgres",
        ssl=history.tls.context() if history.tls else False,
        timeout=_CONNECT_SECONDS,
        command_timeout=_STATEMENT_SECONDS,
        server_settings={
            "application_name": "alertdrill history",
            "search_path": SCHEMA,
            "lock_timeout": f"{busy_seconds:g}s",
            "client_min_messages": "warning",
        },
    )
    try:
        # Who may use the schema need not have the right to make one.
        if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", SCHEMA):
            # Of two that create it at once, PostgreSQL refuses the second when the first is done.
            with suppress(asyncpg.UniqueViolationError):
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    except BaseException:
        await _closed(connection)
        raise
    return connection


async def _closed(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except _FAILURES:
        connection.terminate()


@contextmanager
def _explained(shown: str) -> Iterator[None]:
    """Raise HistoryUnavailable for the errors of the server, the network and the library."""
    try:
        yield
    except _FAILURES as error:
        raise HistoryUnavailable(f"{shown}: {_spelled_error(error)}") from error


def _spelled_error(error: Exception) -> str:
    """Spell what asyncio says when it cannot connect, with the number of an error, as other programs do."""
    text = _NOT_CONNECTED.sub(lambda found: os.strerror(int(found[1])), str(error))
    return text or type(error).__name__


@lru_cache(maxsize=256)
def _spelled(statement: str) -> str:
    """Write a statement as PostgreSQL reads it."""
    if statement.lstrip().startswith(("CREATE", "ALTER")):
        for mine, its in _TYPES.items():
            statement = statement.replace(mine, its)
    numbers = count(1)
    return "".join(f"${next(numbers)}" if one == "?" else one for one in statement)


def _lock_key(name: str) -> int:
    digest = hashlib.sha256(f"alertdrill history {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
