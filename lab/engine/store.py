"""The engine's PostgreSQL: a bounded pool, a bounded queue before it, and one round trip for a payment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg

from alertdrill.lab.engine.payment import Payment, Refused

_STATEMENT_SECONDS = 30.0
_BOOK = "SELECT outcome, transaction_id, at_time FROM book($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_FIND = "SELECT id FROM accounts WHERE id = ANY($1::text[])"
# Only where payments are settled: elsewhere it would hold them all.
_INDEX = "CREATE INDEX IF NOT EXISTS unsettled ON ledger_entries (id) WHERE settled_at IS NULL"
# The message is the one of `Payment.message`.
_UNSETTLED = """
SELECT id, json_build_object(
    'transactionId', id, 'tenantId', tenant, 'fromAccountId', from_account, 'toAccountId', to_account,
    'paymentTypeId', payment_type, 'amount', amount, 'fee', fee, 'currencyCode', currency, 'bookedAt', booked_at)::text
FROM ledger_entries WHERE settled_at IS NULL AND id > $1 ORDER BY id LIMIT $2
"""
# Engines that start together would stumble over each other's tables.
_ALONE = "SELECT pg_advisory_lock(8080)"
_REFUSALS = {
    "conflict": (409, "idempotency_conflict", "this Idempotency-Key belongs to another payment"),
    "unknown_account": (400, "unknown_account", "fromAccountId or toAccountId is unknown"),
    "insufficient_funds": (400, "insufficient_funds", "fromAccountId does not hold that much"),
}
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True)
class Booking:
    """A payment in the ledger; one that is not new was booked by an earlier request with its key."""

    transaction_id: UUID
    booked_at: datetime
    is_new: bool


class Store:
    """Accounts and ledger entries."""

    def __init__(self, pool: Any, queue_limit: int, observe_seconds: Callable[[float], object]) -> None:  # noqa: ANN401 - asyncpg has no types
        self._pool = pool
        self._queue_limit = queue_limit
        self._observe_seconds = observe_seconds
        self.queued = 0
        self.in_use = 0

    @classmethod
    async def open(cls, url: str, pool_size: int, queue_limit: int, observe_seconds: Callable[[float], object]) -> Self:
        """Create the tables and open every connection: the pool's size is fixed, so none opens under load.

        `took` is told the seconds of each call in the database.
        """
        first = await asyncpg.connect(url, timeout=_STATEMENT_SECONDS)
        await first.execute(_ALONE)
        await first.execute((Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"))
        await first.close()
        pool = await asyncpg.create_pool(
            url,
            min_size=pool_size,
            max_size=pool_size,
            init=_prepare,
            # asyncpg would reset the session after each use, re-prepare every 300 s and reconnect after
            # 50,000 queries; each of these costs round trips, and a slow network would count them all.
            reset=_keep_session,
            max_cached_statement_lifetime=0,
            max_inactive_connection_lifetime=0,
            max_queries=2**31,
            command_timeout=_STATEMENT_SECONDS,
            server_settings={"statement_timeout": f"{_STATEMENT_SECONDS:g}s", "jit": "off"},
        )
        return cls(pool, queue_limit, observe_seconds)

    @property
    def pool_size(self) -> int:
        """How many connections there are, used or not."""
        return int(self._pool.get_size())

    def close(self) -> None:
        """Drop every connection."""
        self._pool.terminate()

    async def book(self, payment: Payment, key: str | None) -> Booking:
        """Move the money, or find that this key moved it before; raises Refused."""
        order = (payment.from_account_id, payment.to_account_id, payment.payment_type_id)
        money = (payment.amount, payment.fee, payment.currency_code)
        whose = (payment.description, payment.tenant_id)
        outcome, transaction_id, at_time = (await self._call(_BOOK, key, payment.digest, *order, *money, *whose))[0]
        if outcome in _REFUSALS:
            raise Refused(*_REFUSALS[outcome])
        return Booking(transaction_id, at_time, is_new=outcome == "booked")

    async def existing(self, accounts: list[str]) -> set[str]:
        """Tell which of these accounts there are; raises Refused."""
        return {row["id"] for row in await self._call(_FIND, accounts)}

    async def all_accounts(self) -> list[str]:
        """List every account; raises Refused."""
        return [row["id"] for row in await self._call("SELECT id FROM accounts")]

    async def expect_settlement(self) -> None:
        """Make ready for looking up what is not settled; raises Refused."""
        await self._call(_INDEX)

    async def unsettled(self, after: UUID, limit: int) -> list[tuple[UUID, str]]:
        """List payments that are not settled, with their messages, in the order of their ids; raises Refused."""
        return [(row[0], row[1]) for row in await self._call(_UNSETTLED, after, limit)]

    async def _call(self, query: str, *arguments: object) -> list[Any]:
        if self.queued >= self._queue_limit:
            raise Refused(503, "queue_full", f"{self.queued} transactions wait for the database already")
        deadline = time.monotonic() + _STATEMENT_SECONDS
        try:
            connection = await self._acquire()
        except _FAILURES as error:
            raise Refused(503, "database_unavailable", f"no connection: {_describe(error)}") from error
        self.in_use += 1
        started = time.monotonic()
        try:
            rows: list[Any] = await connection.fetch(query, *arguments, timeout=max(deadline - started, 0.001))
        except _FAILURES as error:
            raise Refused(503, "database_error", _describe(error)) from error
        else:
            return rows
        finally:
            self._observe_seconds(time.monotonic() - started)
            self.in_use -= 1
            await self._pool.release(connection)

    async def _acquire(self) -> Any:  # noqa: ANN401 - asyncpg has no types
        self.queued += 1
        try:
            async with asyncio.timeout(_STATEMENT_SECONDS):
                return await self._pool.acquire()
        finally:
            self.queued -= 1


async def _prepare(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    """Prepare both statements while the connection opens: a first use would cost a second round trip."""
    for query in (_BOOK, _FIND):
        await connection.fetch(query, *_SAMPLE[query])


async def _keep_session(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    """Leave a session as it is: single statements change nothing in it."""


# Calls without effect: no such account.
_SAMPLE: dict[str, tuple[object, ...]] = {_BOOK: (None, "", "", "", "", 0, 0, "", "", ""), _FIND: ([],)}


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
