from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from alertdrill.lab.engine.payment import Payment
from alertdrill.lab.engine.store import Store
from alertdrill.lab.stack import Lab
from tests.support.engine_client import ORDER, Client
from tests.support.postgres_server import PASSWORD, postgres_server
from tests.support.relay import Relay
from tests.support.waiting import until

# The loop of the embedded Toxiproxy counts milliseconds.
RESOLUTION_SECONDS = 0.001
NAMES = [
    "transactions_processed_total",
    "errors_total",
    "errors_by_type_total{type=",
    "transactions_active",
    "transactions_queued",
    "transactions_response_time_seconds_bucket",
    "transactions_processing_time_seconds_bucket",
    "transactions_by_tenant_total{currency=",
    "transactions_amount_total{currency=",
    "transactions_high_value_total{currency=",
    "transactions_high_value_amount_total{currency=",
    "transactions_high_value_threshold",
    "fees_collected_total{currency=",
    "tenants_response_time_seconds_bucket{le=",
    "tenants_errors_total{tenant=",
    "resources_database_connections",
    "resources_database_pool_size",
    "resources_database_pool_waiting",
    "resources_cache_hit_rate",
    "resources_cache_hits_total",
    "resources_cache_misses_total",
    "resources_cache_response_time_seconds_bucket",
    "resources_cpu_usage",
    "resources_cpu_seconds_total",
    "resources_memory_usage",
    "resources_memory_bytes",
    "resources_memory_limit_bytes",
    "resources_network_receive_bytes_total",
    "resources_network_transmit_bytes_total",
    "resources_disk_read_bytes_total",
    "resources_disk_write_bytes_total",
]


@pytest_asyncio.fixture
async def client(lab: Lab) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, lab)


async def test_a_payment_is_booked(client: Client) -> None:
    status, answer = await client.pay()
    assert (status, answer["status"]) == (201, "BOOKED")
    assert answer["transactionId"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 1.001}, "amount"),
        ({"amount": True}, "amount"),
        ({"currencyCode": "dollars"}, "currencyCode"),
        ({"toAccountId": None}, "toAccountId"),
        ({"toAccountId": "nobody"}, "nobody"),
        ({"toAccountId": "a\0b"}, "toAccountId"),
        ({"toAccountId": "test-account-1"}, "same account"),
        ({"amount": 10**11}, "does not hold that much"),
    ],
)
async def test_an_invalid_order_is_refused_with_the_name_of_its_field(
    client: Client, changes: dict[str, Any], field: str
) -> None:
    status, answer = await client.pay(**changes)
    assert status == 400
    assert field in answer["reason"]


async def test_a_wrong_token_is_refused_also_with_non_ascii_letters(client: Client) -> None:
    assert (await client.pay(token="wrong"))[0] == 401  # noqa: S106
    assert (await client.pay(token="fälsch"))[0] == 401  # noqa: S106


async def _answers(client: Client, **order: Any) -> list[tuple[int, Any]]:
    """Pay until the payment is over: if a busy Redis did not store an answer in time, it is in progress for a minute."""
    answers = [await client.pay(**order)]
    while answers[-1][1].get("error") == "in_progress":
        await asyncio.sleep(0.5)
        answers.append(await client.pay(**order))
    return answers


async def test_a_repeated_order_gets_the_first_answer_and_another_order_a_conflict(client: Client) -> None:
    first = await client.pay(key="once")
    assert (await _answers(client, key="once"))[-1] == first
    assert (await client.pay(key="once", amount=5))[0] == 409


async def test_simultaneous_orders_with_one_key_pay_once(client: Client) -> None:
    answers = await asyncio.gather(*(client.pay(key="crowd") for _ in range(20)))
    assert {status for status, _ in answers} <= {201, 409}
    assert len({answer["transactionId"] for status, answer in answers if status == 201}) == 1


async def test_payments_in_both_directions_at_once_all_succeed(client: Client) -> None:
    there = [client.pay(amount=7.01) for _ in range(100)]
    back = [client.pay(fromAccountId="test-account-2", toAccountId="test-account-1", amount=7.01) for _ in range(100)]
    assert {status for status, _ in await asyncio.gather(*there, *back)} == {201}


async def test_every_metric_of_the_strategy_is_there(client: Client) -> None:
    await client.pay()
    text = await client.metrics()
    assert [name for name in NAMES if f"\npayment_engine_{name}" not in text] == []


async def test_the_error_total_is_one_series_and_the_sum_of_the_errors_by_type(client: Client) -> None:
    await client.toxic("postgres", type="reset_peer", stream="downstream", attributes={"timeout": 0})
    statuses = {(await client.pay())[0] for _ in range(3)}
    await client.heal("postgres")
    after = await client.values()
    assert statuses == {503}
    assert after["payment_engine_errors_total"] >= 3
    by_type = [value for name, value in after.items() if name.startswith("payment_engine_errors_by_type_total")]
    assert sum(by_type) == after["payment_engine_errors_total"]


async def test_a_repeated_payment_counts_once_for_its_tenant_and_currency(client: Client) -> None:
    order = {"tenantId": "acme", "currencyCode": "EUR", "amount": 20_000.50, "key": "repeated"}
    answers = [await client.pay(**order), *await _answers(client, **order)]
    for status, answer in (answers[0], answers[-1]):
        assert (status, answer["fee"]) == (201, 20.0)
    await client.pay(tenantId="acme", currencyCode="EUR", amount=100)
    after, labels = await client.values(), '{currency="EUR",tenant="acme"}'
    assert after[f"payment_engine_transactions_by_tenant_total{labels}"] == 2
    assert after[f"payment_engine_transactions_amount_total{labels}"] == 20_100.50
    assert after[f"payment_engine_fees_collected_total{labels}"] == 20.20
    assert after[f"payment_engine_transactions_high_value_total{labels}"] == 1
    assert after[f"payment_engine_transactions_high_value_amount_total{labels}"] == 20_000.50
    assert after['payment_engine_tenants_response_time_seconds_count{tenant="acme"}'] == len(answers) + 1


async def test_a_sender_pays_amount_and_fee_and_the_fee_is_booked(client: Client, lab: Lab) -> None:
    connection = await asyncpg.connect(lab.postgres_url)
    query = """SELECT (SELECT balance FROM accounts WHERE id = 'test-account-51'),
                      (SELECT balance FROM accounts WHERE id = 'test-account-52'),
                      (SELECT sum(balance) FROM fee_income)"""
    before = await connection.fetchrow(query)
    await client.pay(fromAccountId="test-account-51", toAccountId="test-account-52", amount=100)
    after = await connection.fetchrow(query)
    await connection.close()
    moved = [late - early for early, late in zip(before, after, strict=True)]
    assert moved == [Decimal("-100.25"), Decimal(100), Decimal("0.25")]


async def test_tenants_beyond_the_limit_share_one_name(client: Client) -> None:
    for number in range(60):
        await client.pay(tenantId=f"invented-{number}")
    names = [name for name in await client.values() if name.startswith("payment_engine_tenants_errors_total")]
    assert len(names) == 51
    assert 'payment_engine_tenants_errors_total{tenant="other"}' in names


async def test_network_bytes_grow_by_the_size_of_a_payment(client: Client) -> None:
    before = await client.values()
    await client.pay(description="x" * 400)
    after = await client.values()
    for way in ("receive", "transmit"):
        grown = (after[name] - before[name] for name in [f"payment_engine_resources_network_{way}_bytes_total"])
        assert next(grown) > 400


async def test_memory_taken_on_purpose_is_measured_and_freed_again(client: Client) -> None:
    before = (await client.values())["payment_engine_resources_memory_bytes"]
    status, held = await client.memory("POST", {"mib": 64})
    during = (await client.values())["payment_engine_resources_memory_bytes"]
    await client.memory("DELETE")
    after = (await client.values())["payment_engine_resources_memory_bytes"]
    assert (status, held["heldMib"]) == (200, 64)
    assert during - before > 60 * 2**20
    assert after - before < 8 * 2**20


async def test_memory_is_taken_up_to_a_share_of_the_limit(client: Client) -> None:
    await client.memory("POST", {"percent": 60})
    usage = (await client.values())["payment_engine_resources_memory_usage"]
    await client.memory("DELETE")
    assert 59 < usage < 63


@pytest.mark.parametrize(
    ("order", "status", "said"),
    [
        ({"mib": 600}, 409, "may take"),
        ({"mib": 0}, 400, "greater than or equal to 1"),
        ({}, 400, "either mib or percent"),
    ],
)
async def test_memory_beyond_the_limit_or_without_an_amount_is_refused(
    client: Client, order: dict[str, int], status: int, said: str
) -> None:
    answer = await client.memory("POST", order)
    assert answer[0] == status
    assert said in answer[1]["reason"]


async def test_taking_memory_needs_the_token(client: Client) -> None:
    assert (await client.memory("POST", {"mib": 1}, token="wrong"))[0] == 401  # noqa: S106


async def test_a_slow_database_delays_a_payment_once(client: Client) -> None:
    """Once, because it makes one call to the database, and each call is one round trip: see the test after this."""
    calls = "payment_engine_transactions_processing_time_seconds_count"
    before = (await client.values())[calls]
    await client.toxic("postgres", type="latency", stream="downstream", attributes={"latency": 2000})
    started = time.monotonic()
    status, _ = await client.pay()
    took = time.monotonic() - started
    await client.heal("postgres")
    assert status == 201
    assert took >= 2.0 - RESOLUTION_SECONDS
    assert (await client.values())[calls] - before == 1


async def test_a_payment_is_one_round_trip_to_the_database() -> None:
    """Also the first one of a connection: what would take more round trips is done when the connection is opened."""
    async with postgres_server() as server, Relay(int(server.address.partition(":")[2])).running() as relay:
        url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{relay.port}/postgres"
        store = await Store.open(url, 1, 10, float)
        sent_before = relay.seen
        payment = Payment.model_validate(ORDER)
        bookings = [await store.book(payment, key) for key in (None, "once", "once")]
        store.close()
    assert [one.is_new for one in bookings] == [True, True, False]
    assert relay.seen - sent_before == len(bookings)


async def test_a_slow_cache_fails_no_payment(client: Client) -> None:
    """Its answer takes ten minutes, so whoever waits for it makes no payment within one."""
    await client.toxic("redis", type="latency", stream="downstream", attributes={"latency": 600_000})
    async with asyncio.timeout(60):
        status, _ = await client.pay(key="slow-cache")
    await client.heal("redis")
    assert status == 201


async def test_a_killed_engine_comes_back(client: Client, lab: Lab) -> None:
    """Keep this test last: the restarted engine counts from zero."""
    file = lab.directory / "payment-engine.pid"
    killed = int(file.read_text())
    os.kill(killed, signal.SIGKILL)

    async def is_another() -> bool:
        return int(file.read_text()) != killed and await client.is_up()

    await until(is_another, "the killed engine is up again")
    assert (await client.pay())[0] == 201


async def test_an_engine_makes_its_index_while_no_other_can() -> None:
    async with postgres_server() as server:
        url = f"postgresql://postgres:{PASSWORD}@{server.address}/postgres"
        (await Store.open(url, 2, 10, float)).close()
        watching = await server.connect()
        async with watching.transaction():
            await watching.execute("LOCK TABLE payments IN EXCLUSIVE MODE")
            second = asyncio.create_task(Store.open(url, 2, 10, float, expects_settlement=True))
            while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
                assert not second.done()
            alone = await watching.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        (await second).close()
        assert await watching.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'unsettled'") == 1
        await watching.close()
    assert alone == 1
