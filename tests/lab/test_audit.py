"""The audit names each error in the payments table; a test makes the error in the real database and removes it again."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from alertdrill.lab.audit import Audit, audit, total_balance
from alertdrill.lab.errors import LabError
from alertdrill.lab.stack import Lab

ORDER = {
    "fromAccountId": "test-account-3",
    "toAccountId": "test-account-4",
    "paymentTypeId": "test-payment-type",
    "amount": 12.34,
    "currencyCode": "USD",
}
KEY_OF_EACH = "ALTER TABLE payments ADD CONSTRAINT payments_idempotency_key_key UNIQUE (idempotency_key)"
COLUMNS = "idempotency_key, digest, from_account, to_account, payment_type, amount, fee, currency, description, tenant"


@pytest_asyncio.fixture
async def database(lab: Lab) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(lab.postgres_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def acknowledged(lab: Lab) -> list[str]:
    """Book twelve payments and return their keys, sorted."""
    keys = sorted(str(uuid.uuid4()) for _ in range(12))
    url = f"http://{lab.addresses['payment-engine:8080']}/api/v1/transactions"
    async with aiohttp.ClientSession() as session:
        for key in keys:
            headers = {"Authorization": "Bearer test-token", "Idempotency-Key": key}
            async with session.post(url, json=ORDER, headers=headers) as response:
                assert response.status == 201
    return keys


async def _audit(lab: Lab, ids: list[str], folder: Path, before: Decimal | None = None) -> Audit:
    file = folder / "acknowledged.txt"
    file.write_text("".join(f"{one}\n" for one in ids))
    return await audit(lab.postgres_url, file, await total_balance(lab.postgres_url) if before is None else before)


async def test_booked_payments_are_found_once_and_the_balance_is_unchanged(
    lab: Lab, acknowledged: list[str], tmp_path: Path
) -> None:
    before = Decimal(100 * 1_000_000_000)  # what the schema puts into the accounts
    found = await _audit(lab, acknowledged, tmp_path, before)
    assert (found.acknowledged, found.found) == (12, 12)
    assert (found.missing.count, found.doubled.count, found.orphaned.count) == (0, 0, 0)
    assert found.balance_after == before


async def test_a_lost_payment_is_named(lab: Lab, database: Any, acknowledged: list[str], tmp_path: Path) -> None:
    await database.execute("DELETE FROM payments WHERE idempotency_key = $1", acknowledged[7])
    found = await _audit(lab, acknowledged, tmp_path)
    assert found.found == 11
    assert (found.missing.count, found.missing.examples) == (1, (acknowledged[7],))


async def test_of_many_lost_payments_the_first_five_are_named(lab: Lab, tmp_path: Path) -> None:
    never = [f"never-{number:02}" for number in range(30)]
    found = await _audit(lab, never, tmp_path)
    assert (found.missing.count, found.missing.examples) == (30, tuple(never[:5]))


async def test_a_payment_booked_twice_is_named(
    lab: Lab, database: Any, acknowledged: list[str], tmp_path: Path
) -> None:
    await database.execute("ALTER TABLE payments DROP CONSTRAINT payments_idempotency_key_key")
    twice = f"INSERT INTO payments ({COLUMNS}) SELECT {COLUMNS} FROM payments WHERE idempotency_key = $1"  # noqa: S608 - from a constant
    await database.execute(twice, acknowledged[2])
    try:
        found = await _audit(lab, acknowledged, tmp_path)
    finally:
        await database.execute("DELETE FROM payments WHERE idempotency_key = $1", acknowledged[2])
        await database.execute(KEY_OF_EACH)
    assert found.found == 11
    assert (found.doubled.count, found.doubled.examples) == (1, (acknowledged[2],))


async def test_an_id_acknowledged_twice_is_not_a_double_payment(
    lab: Lab, acknowledged: list[str], tmp_path: Path
) -> None:
    """The engine answers a repeated order as it did the first time."""
    found = await _audit(lab, [*acknowledged, acknowledged[0]], tmp_path)
    assert (found.acknowledged, found.found, found.doubled.count) == (12, 12, 0)


async def test_a_payment_with_an_unknown_account_is_named(
    lab: Lab, database: Any, acknowledged: list[str], tmp_path: Path
) -> None:
    key = acknowledged[5]
    await database.execute("UPDATE payments SET to_account = 'nobody' WHERE idempotency_key = $1", key)
    try:
        found = await _audit(lab, acknowledged, tmp_path)
    finally:
        await database.execute("DELETE FROM payments WHERE idempotency_key = $1", key)
    assert found.found == 12
    assert (found.orphaned.count, found.orphaned.examples) == (1, (key,))


async def test_a_cent_too_much_shows_in_the_balance(lab: Lab, database: Any, tmp_path: Path) -> None:
    before = await total_balance(lab.postgres_url)
    await database.execute("UPDATE accounts SET balance = balance + 0.01 WHERE id = 'test-account-9'")
    try:
        found = await _audit(lab, [], tmp_path, before)
    finally:
        await database.execute("UPDATE accounts SET balance = balance - 0.01 WHERE id = 'test-account-9'")
    assert found.balance_after - found.balance_before == Decimal("0.01")


async def test_an_unreachable_database_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"the payments cannot be audited: .*Connect"):
        await audit("postgresql://postgres@127.0.0.1:1/postgres", tmp_path / "none", Decimal(0))
