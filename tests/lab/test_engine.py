from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from lab.stack import Lab

ORDER: dict[str, Any] = {
    "fromAccountId": "test-account-1",
    "toAccountId": "test-account-2",
    "paymentTypeId": "test-payment-type",
    "amount": 100.00,
    "currencyCode": "USD",
    "description": "Load test transaction",
}
NAMES = [
    "payment_engine_transactions_processed_total",
    "payment_engine_errors_total",
    "payment_engine_transactions_response_time_seconds_bucket",
    "payment_engine_resources_database_connections",
    "payment_engine_resources_memory_usage",
    "payment_engine_resources_cache_hit_rate",
    "payment_engine_transactions_queued",
]


class Client:
    def __init__(self, session: aiohttp.ClientSession, lab: Lab) -> None:
        self._session = session
        self._lab = lab

    async def pay(self, token: str = "test-token", key: str | None = None, **changes: Any) -> tuple[int, Any]:  # noqa: S107
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        order = {name: value for name, value in (ORDER | changes).items() if value is not None}
        url = f"http://{self._lab.addresses['payment-engine:8080']}/api/v1/transactions"
        async with self._session.post(url, json=order, headers=headers) as response:
            return response.status, await response.json()

    async def metrics(self) -> str:
        url = f"http://{self._lab.addresses['payment-engine:8080']}/actuator/prometheus"
        async with self._session.get(url) as response:
            return await response.text()

    async def toxic(self, proxy: str, **body: Any) -> None:
        url = f"http://{self._lab.addresses['toxiproxy:8474']}/proxies/{proxy}/toxics"
        async with self._session.post(url, json={"name": "test", **body}) as response:
            assert response.status == 200

    async def heal(self, proxy: str) -> None:
        url = f"http://{self._lab.addresses['toxiproxy:8474']}/proxies/{proxy}/toxics/test"
        async with self._session.delete(url) as response:
            assert response.status == 204


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
async def test_a_wrong_order_is_refused_by_the_name_of_its_field(
    client: Client, changes: dict[str, Any], field: str
) -> None:
    status, answer = await client.pay(**changes)
    assert status == 400
    assert field in answer["reason"]


async def test_a_wrong_token_is_refused_whatever_letters_it_has(client: Client) -> None:
    assert (await client.pay(token="wrong"))[0] == 401  # noqa: S106
    assert (await client.pay(token="fälsch"))[0] == 401  # noqa: S106


async def test_a_repeated_order_gets_the_first_answer_and_another_order_a_conflict(client: Client) -> None:
    first = await client.pay(key="once")
    assert await client.pay(key="once") == first
    assert (await client.pay(key="once", amount=5))[0] == 409


async def test_the_same_key_at_the_same_time_pays_once(client: Client) -> None:
    answers = await asyncio.gather(*(client.pay(key="crowd") for _ in range(20)))
    assert {status for status, _ in answers} <= {201, 409}
    assert len({answer["transactionId"] for status, answer in answers if status == 201}) == 1


async def test_payments_in_both_directions_at_once_all_succeed(client: Client) -> None:
    there = [client.pay(amount=7.01) for _ in range(100)]
    back = [client.pay(fromAccountId="test-account-2", toAccountId="test-account-1", amount=7.01) for _ in range(100)]
    assert {status for status, _ in await asyncio.gather(*there, *back)} == {201}


async def test_every_metric_of_the_strategy_is_there(client: Client) -> None:
    text = await client.metrics()
    assert [name for name in NAMES if f"\n{name}" not in text] == []


async def test_a_slow_database_costs_a_payment_one_delay_and_not_two(client: Client) -> None:
    await client.pay()
    await client.toxic("postgres", type="latency", stream="downstream", attributes={"latency": 1000})
    started = time.monotonic()
    status, _ = await client.pay()
    took = time.monotonic() - started
    await client.heal("postgres")
    assert status == 201
    assert 1.0 <= took < 1.5


async def test_a_slow_cache_fails_no_payment(client: Client) -> None:
    await client.toxic("redis", type="latency", stream="downstream", attributes={"latency": 3000})
    started = time.monotonic()
    status, _ = await client.pay(key="slow-cache")
    took = time.monotonic() - started
    await client.heal("redis")
    assert status == 201
    assert took < 3.0
