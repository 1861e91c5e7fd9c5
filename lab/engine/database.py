"""PostgreSQL: a pool of connections with a bounded queue before it, and one statement."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg

from lab.engine.payment import Payment

_BOOK = "SELECT id, result FROM book($1, $2, $3, $4, $5, $6, $7, $8)"


class Busy(Exception):
    """The queue before the pool is full, or the database failed: the client may try again."""


async def create_tables(url: str) -> None:
    """Make the tables, the accounts and the function, in an empty database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(files("lab.engine").joinpath("accounts.sql").read_text(encoding="utf-8"))
    finally:
        await connection.close()


class Database:
    """Books payments over a pool of fixed size; what waits for a connection is counted in `queued`."""

    def __init__(self, pool: asyncpg.Pool, queue_limit: int) -> None:
        self.queued = 0
        self.in_use = 0
        self._pool = pool
        self._queue_limit = queue_limit

    async def book(self, payment: Payment, key: str | None) -> tuple[uuid.UUID, str]:
        """Book a payment and tell its id and what became of it; raises Busy."""
        if self.queued >= self._queue_limit:
            raise Busy(f"{self.queued} transactions are waiting for the database already")
        self.queued += 1
        waiting = True
        try:
            async with self._pool.acquire(timeout=30) as connection:
                self.queued -= 1
                waiting = False
                self.in_use += 1
                try:
                    row = await connection.fetchrow(_BOOK, uuid.uuid4(), key, payment.digest(), *_columns(payment))
                finally:
                    self.in_use -= 1
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise Busy(f"the database failed: {type(error).__name__}: {error}") from error
        finally:
            self.queued -= waiting
        return row["id"], row["result"]

    async def has_account(self, account: str) -> bool:
        """Look an account up; raises Busy."""
        try:
            async with self._pool.acquire(timeout=30) as connection:
                return bool(await connection.fetchval("SELECT true FROM account WHERE id = $1", account))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise Busy(f"the database failed: {type(error).__name__}: {error}") from error

    async def account_ids(self) -> list[str]:
        """List every account."""
        return [row["id"] for row in await self._pool.fetch("SELECT id FROM account")]


def _columns(payment: Payment) -> tuple[object, ...]:
    return (payment.fromAccountId, payment.toAccountId, payment.amount, payment.currencyCode, payment.description)


@asynccontextmanager
async def connected(url: str, pool_size: int, queue_limit: int) -> AsyncIterator[Database]:
    """Open a pool of fixed size for the length of the block."""

    async def keep(_: asyncpg.Connection) -> None:
        """Skip the reset on release: it costs a round trip, and no payment changes a session."""

    async def prepare(connection: asyncpg.Connection) -> None:
        """Prepare the statement now, or the first payment of each connection costs two round trips."""
        await connection.fetchrow(_BOOK, uuid.uuid4(), None, "", "", "", 0, "", "")

    # Sizes are fixed, as connection pools recommend: none is opened while the database is slow already.
    pool = await asyncpg.create_pool(
        url,
        min_size=pool_size,
        max_size=pool_size,
        max_inactive_connection_lifetime=0,
        command_timeout=30,
        reset=keep,
        init=prepare,
    )
    try:
        yield Database(pool, queue_limit)
    finally:
        pool.terminate()
        await asyncio.sleep(0)
