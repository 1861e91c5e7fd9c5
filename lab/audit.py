"""The payment audit: every acknowledged payment must be in the payments table, and no money may be made or lost.

It reads PostgreSQL directly, not through the proxy, and in one snapshot: payments in progress do not disturb the sums.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from alertdrill.lab.errors import LabError

_EXAMPLES = 5
_CONNECT_SECONDS = 10.0
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

# A fee moves money from an account to the fee income, so both are summed.
_BALANCE = (
    "SELECT coalesce((SELECT sum(balance) FROM accounts), 0) + coalesce((SELECT sum(balance) FROM fee_income), 0)"
)
# How often the payments table holds each acknowledged id. A temporary table, because there may be millions of ids.
_AUDITED = """
CREATE TEMP TABLE audited ON COMMIT DROP AS
SELECT acknowledged.id, count(payments.id) AS times
FROM (SELECT DISTINCT id FROM acknowledged) AS acknowledged
LEFT JOIN payments ON payments.idempotency_key = acknowledged.id
GROUP BY acknowledged.id
"""
_ORPHANED = """
CREATE TEMP TABLE orphaned ON COMMIT DROP AS
SELECT coalesce(idempotency_key, id::text) AS id FROM payments
WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.id = from_account)
   OR NOT EXISTS (SELECT FROM accounts WHERE accounts.id = to_account)
"""


@dataclass(frozen=True)
class AuditFinding:
    """The number of wrong payments of one kind, and the ids of the first few."""

    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """The acknowledged transactions compared with the payments table.

    `found` counts those that are in the table exactly once, `missing` those that are not in it, `doubled` those that
    are in it more than once. `orphaned` are payments whose account does not exist. A balance is the sum of all
    accounts and fees.
    """

    acknowledged: int
    found: int
    missing: AuditFinding
    doubled: AuditFinding
    orphaned: AuditFinding
    balance_before: Decimal
    balance_after: Decimal


async def total_balance(postgres_url: str) -> Decimal:
    """Return the sum of all accounts and fees; raises LabError."""
    async with _snapshot(postgres_url) as connection:
        return Decimal(await connection.fetchval(_BALANCE))


async def audit(postgres_url: str, acknowledged: Path, balance_before: Decimal) -> Audit:
    """Look up every id of a file (one on each line) in the payments table; raises LabError."""
    async with _snapshot(postgres_url) as connection:
        await connection.execute("CREATE TEMP TABLE acknowledged (id text NOT NULL) ON COMMIT DROP")
        await connection.copy_to_table("acknowledged", source=str(acknowledged))
        # Without statistics the planner assumes 200 ids, and would look up a million ids one by one.
        await connection.execute("ANALYZE acknowledged")
        await connection.execute(_AUDITED)
        await connection.execute(_ORPHANED)
        return Audit(
            acknowledged=await connection.fetchval("SELECT count(*) FROM audited"),
            found=await connection.fetchval("SELECT count(*) FROM audited WHERE times = 1"),
            missing=await _finding(connection, "audited WHERE times = 0"),
            doubled=await _finding(connection, "audited WHERE times > 1"),
            orphaned=await _finding(connection, "orphaned"),
            balance_before=balance_before,
            balance_after=Decimal(await connection.fetchval(_BALANCE)),
        )


@asynccontextmanager
async def _snapshot(postgres_url: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(postgres_url, timeout=_CONNECT_SECONDS)
        try:
            async with connection.transaction(isolation="repeatable_read"):
                yield connection
        finally:
            await connection.close()
    except _FAILURES as error:
        raise LabError(f"the payments cannot be audited: {type(error).__name__}: {error}") from error


async def _finding(connection: Any, rows: str) -> AuditFinding:  # noqa: ANN401 - asyncpg has no types
    count = await connection.fetchval(f"SELECT count(*) FROM {rows}")  # noqa: S608 - rows are written above
    few = await connection.fetch(f"SELECT id FROM {rows} ORDER BY id LIMIT {_EXAMPLES}")  # noqa: S608 - as above
    return AuditFinding(count, tuple(row["id"] for row in few))
