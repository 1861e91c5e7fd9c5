"""The audit of the payment engine's ledger: what was acknowledged must be there, and no money be made or lost.

PostgreSQL is asked directly, not through the proxy, and all is read in one snapshot: payments that are still under
way do not disturb the sums.
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

# The fees that senders paid are not lost either.
_BALANCE = (
    "SELECT coalesce((SELECT sum(balance) FROM accounts), 0) + coalesce((SELECT sum(balance) FROM fee_income), 0)"
)
# How often the ledger holds each acknowledged id; a table, so that no number of ids fills our memory.
_AUDITED = """
CREATE TEMP TABLE audited ON COMMIT DROP AS
SELECT acknowledged.id, count(ledger_entries.id) AS times
FROM (SELECT DISTINCT id FROM acknowledged) AS acknowledged
LEFT JOIN ledger_entries ON ledger_entries.idempotency_key = acknowledged.id
GROUP BY acknowledged.id
"""
_ORPHANED = """
CREATE TEMP TABLE orphaned ON COMMIT DROP AS
SELECT coalesce(idempotency_key, id::text) AS id FROM ledger_entries
WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.id = from_account)
   OR NOT EXISTS (SELECT FROM accounts WHERE accounts.id = to_account)
"""


@dataclass(frozen=True)
class AuditFinding:
    """How many there are of something that must not be, and the ids of the first few."""

    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """What the ledger says of the acknowledged transactions.

    `found` are in it exactly once, `missing` not at all, `doubled` more than once. `orphaned` are the ledger's
    entries with an account that does not exist. Balances are the sums of all accounts and of the fees.
    """

    acknowledged: int
    found: int
    missing: AuditFinding
    doubled: AuditFinding
    orphaned: AuditFinding
    balance_before: Decimal
    balance_after: Decimal


async def total_balance(postgres_url: str) -> Decimal:
    """Sum up all accounts and the fees; raises LabError."""
    async with _snapshot(postgres_url) as connection:
        return Decimal(await connection.fetchval(_BALANCE))


async def audit(postgres_url: str, acknowledged: Path, balance_before: Decimal) -> Audit:
    """Look up each id of a file, a line each, in the ledger; raises LabError."""
    async with _snapshot(postgres_url) as connection:
        await connection.execute("CREATE TEMP TABLE acknowledged (id text NOT NULL) ON COMMIT DROP")
        await connection.copy_to_table("acknowledged", source=str(acknowledged))
        # Without statistics the planner takes 200 ids for granted and looks each of a million up on its own.
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
        raise LabError(f"the ledger cannot be audited: {type(error).__name__}: {error}") from error


async def _finding(connection: Any, rows: str) -> AuditFinding:  # noqa: ANN401 - asyncpg has no types
    count = await connection.fetchval(f"SELECT count(*) FROM {rows}")  # noqa: S608 - rows are written above
    few = await connection.fetch(f"SELECT id FROM {rows} ORDER BY id LIMIT {_EXAMPLES}")  # noqa: S608 - as above
    return AuditFinding(count, tuple(row["id"] for row in few))
