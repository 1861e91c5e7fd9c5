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

from alertdrill.lab.engine.payment import Payment, PaymentRefused

_STATEMENT_SECONDS = 30.0
_BOOK = "SELECT outcome, transaction_id, at_time FROM book($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_FIND = "SELECT id FROM accounts WHERE id = ANY($1::text[])"
# Created only in a lab with settlement: elsewhere every payment stays unsettled, and the index would hold them all.
_INDEX = "CREATE INDEX IF NOT EXISTS unsettled ON payments (id) WHERE settled_at IS NULL"
# The same message as `Payment.message` makes.
_UNSETTLED = """
SELECT id, json_build_object(
    'transactionId', id, 'tenantId', tenant, 'fromAccountId', from_account, 'toAccountId', to_account,
    'paymentTypeId', payment_type, 'amount', amount, 'fee', fee, 'currencyCode', currency, 'bookedAt', booked_at)::text
FROM payments WHERE settled_at IS NULL AND id > $1 ORDER BY id LIMIT $2
"""
# One engine at a time: PostgreSQL refuses the second of two that create the same table or index at once.
_ALONE = "SELECT pg_advisory_lock(8080)"
_REFUSALS = {
    "conflict": (409, "idempotency_conflict", "this Idempotency-Key belongs to another payment"),
    "unknown_account": (400, "unknown_account", "fromAccountId or toAccountId is unknown"),
    "insufficient_funds": (400, "insufficient_funds", "fromAccountId does not hold that much"),
}
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True)
class Booking:
    """A booked payment; `is_new` is false if an earlier request with the same key booked it."""

    transaction_id: UUID
    booked_at: datetime
    is_new: bool


class Store:
    """Accounts and payments in PostgreSQL."""

    def __init__(self, pool: Any, queue_limit: int, observe_seconds: Callable[[float], object]) -> None:  # noqa: ANN401 - asyncpg has no types
        self._pool = pool
        self._queue_limit = queue_limit
        self._observe_seconds = observe_seconds
        self.queued = 0
        self.in_use = 0

    @classmethod
    async def open(
        cls,
        url: str,
        pool_size: int,
        queue_limit: int,
        observe_seconds: Callable[[float], object],
        *,
        expects_settlement: bool = False,
    ) -> Self:
        """Create the tables and open every connection: the pool's size is fixed, so none opens under load.

        `observe_seconds` is called with the duration of each database call. With `expects_settlement`, unsettled
        payments are indexed.
        """
        first = await asyncpg.connect(url, timeout=_STATEMENT_SECONDS)
        await first.execute(_ALONE)
        await first.execute((Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"))
        if expects_settlement:
            await first.execute(_INDEX)
        await first.close()
        pool = await asyncpg.create_pool(
            url,
            min_size=pool_size,
            max_size=pool_size,
            init=_prepare,
            # By default asyncpg resets the session after each use, prepares again every 300 s and reconnects after
            # 50,000 queries. Each costs round trips, so a latency fault would delay a payment several times.
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
        """The number of connections, used or not."""
        return int(self._pool.get_size())

    def close(self) -> None:
        """Drop every connection."""
        self._pool.terminate()

    async def book(self, payment: Payment, key: str | None) -> Booking:
        """Book the payment, or return the earlier booking with the same key; raises Refused."""
        order = (payment.from_account_id, payment.to_account_id, payment.payment_type_id)
        money = (payment.amount, payment.fee, payment.currency_code)
        client = (payment.description, payment.tenant_id)
        outcome, transaction_id, at_time = (await self._call(_BOOK, key, payment.digest, *order, *money, *client))[0]
        if outcome in _REFUSALS:
            raise PaymentRefused(*_REFUSALS[outcome])
        return Booking(transaction_id, at_time, is_new=outcome == "booked")

    async def existing(self, accounts: list[str]) -> set[str]:
        """Return those of the accounts that exist; raises Refused."""
        return {row["id"] for row in await self._call(_FIND, accounts)}

    async def all_accounts(self) -> list[str]:
        """List every account; raises Refused."""
        return [row["id"] for row in await self._call("SELECT id FROM accounts")]

    async def unsettled(self, after: UUID, limit: int) -> list[tuple[UUID, str]]:
        """List unsettled payments as (id, message) in the order of their ids, after an id; raises Refused."""
        return [(row[0], row[1]) for row in await self._call(_UNSETTLED, after, limit)]

    async def _call(self, query: str, *arguments: object) -> list[Any]:
        if self.queued >= self._queue_limit:
            raise PaymentRefused(503, "queue_full", f"{self.queued} transactions are already waiting for the database")
        deadline = time.monotonic() + _STATEMENT_SECONDS
        try:
            connection = await self._acquire()
        except _FAILURES as error:
            raise PaymentRefused(503, "database_unavailable", f"no connection: {_describe(error)}") from error
        self.in_use += 1
        started = time.monotonic()
        try:
            rows: list[Any] = await connection.fetch(query, *arguments, timeout=max(deadline - started, 0.001))
        except _FAILURES as error:
            raise PaymentRefused(503, "database_error", _describe(error)) from error
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
    """Do nothing: single statements leave no state in a session."""


# Arguments that change nothing, because the accounts do not exist.
_SAMPLE: dict[str, tuple[object, ...]] = {_BOOK: (None, "", "", "", "", 0, 0, "", "", ""), _FIND: ([],)}


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
