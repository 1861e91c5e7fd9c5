"""The lab's payment engine, asked as a client asks it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from toxiproxy import Toxiproxy

from tests.integration.conftest import KeptLab

PAYMENT = {
    "fromAccountId": "test-account-1",
    "toAccountId": "test-account-2",
    "paymentTypeId": "test-payment-type",
    "amount": 100.00,
    "currencyCode": "USD",
    "description": "Load test transaction",
}
TOKEN = {"Authorization": "Bearer test-token"}


@pytest.fixture
async def client(lab: KeptLab) -> AsyncIterator[aiohttp.ClientSession]:
    url = str(lab.settings()["probe"]["url"]).removesuffix("/api/v1/transactions")  # type: ignore[index]
    async with aiohttp.ClientSession(url) as session:
        yield session


async def pay(
    client: aiohttp.ClientSession, body: object = PAYMENT, headers: dict[str, str] = TOKEN
) -> tuple[int, dict[str, Any]]:
    async with client.post("/api/v1/transactions", json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_a_payment_is_booked(client: aiohttp.ClientSession) -> None:
    status, answer = await pay(client)
    assert (status, answer["status"]) == (201, "BOOKED")
    assert uuid.UUID(answer["transactionId"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": -1}, "amount: "),
        ({"amount": 1.001}, "amount: "),
        ({"currencyCode": "usd"}, "currencyCode: "),
        ({"toAccountId": "test-account-1"}, "same account"),
        ({"toAccountId": "nobody"}, "no such account: nobody"),
        ({"tip": 1}, "tip: "),
        ({"amount": 10**12}, "balance is too small"),
    ],
)
async def test_a_payment_that_cannot_be_is_told_why(
    client: aiohttp.ClientSession, change: dict[str, object], reason: str
) -> None:
    status, answer = await pay(client, PAYMENT | change)
    assert status == 400
    assert reason in answer["reason"]


async def test_a_body_that_is_no_json_is_told_so(client: aiohttp.ClientSession) -> None:
    async with client.post("/api/v1/transactions", data=b"{", headers=TOKEN) as response:
        assert response.status == 400
        assert "no JSON" in (await response.json())["reason"]


async def test_without_the_token_nothing_is_booked(client: aiohttp.ClientSession) -> None:
    assert (await pay(client, headers={}))[0] == 401
    assert (await pay(client, headers={"Authorization": "Bearer wrong"}))[0] == 401


async def test_a_key_books_once_and_belongs_to_one_payment(client: aiohttp.ClientSession) -> None:
    headers = TOKEN | {"Idempotency-Key": str(uuid.uuid4())}
    first, again = await pay(client, headers=headers), await pay(client, headers=headers)
    assert first == again
    assert first[0] == 201
    assert (await pay(client, PAYMENT | {"amount": 5}, headers))[0] == 409


async def test_of_simultaneous_payments_with_one_key_one_is_booked(client: aiohttp.ClientSession) -> None:
    headers = TOKEN | {"Idempotency-Key": str(uuid.uuid4())}
    answers = await asyncio.gather(*(pay(client, headers=headers) for _ in range(20)))
    assert {status for status, _ in answers} <= {201, 409}
    assert len({answer["transactionId"] for status, answer in answers if status == 201}) == 1


async def test_payments_in_opposite_directions_do_not_deadlock(client: aiohttp.ClientSession) -> None:
    back = PAYMENT | {"fromAccountId": "test-account-2", "toAccountId": "test-account-1"}
    answers = await asyncio.gather(*(pay(client, body) for body in [PAYMENT, back] * 50))
    assert {status for status, _ in answers} == {201}


async def test_all_metrics_of_the_strategy_are_there(client: aiohttp.ClientSession) -> None:
    async with client.get("/actuator/prometheus") as response:
        text = await response.text()
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names >= {
        "payment_engine_errors_total",
        "payment_engine_transactions_processed_total",
        "payment_engine_transactions_response_time_seconds_bucket",
        "payment_engine_transactions_queued",
        "payment_engine_resources_database_connections",
        "payment_engine_resources_memory_usage",
        "payment_engine_resources_cache_hit_rate",
    }


def proxy(lab: KeptLab, name: str) -> Any:
    server = Toxiproxy()
    host, port = str(lab.settings()["toxiproxy"]["url"]).removeprefix("http://").split(":")  # type: ignore[index]
    server.update_api_consumer(host, int(port))
    return server.get_proxy(name)


async def test_without_redis_payments_go_on(lab: KeptLab, client: aiohttp.ClientSession) -> None:
    redis = proxy(lab, "redis")
    redis.disable()
    try:
        assert (await pay(client))[0] == 201
    finally:
        redis.enable()


async def test_without_postgres_the_client_is_told_to_come_back(lab: KeptLab, client: aiohttp.ClientSession) -> None:
    postgres = proxy(lab, "postgres")
    postgres.disable()
    try:
        status, answer = await pay(client)
    finally:
        postgres.enable()
    assert (status, answer["error"]) == (503, "unavailable")
    async with asyncio.timeout(10):
        while (await pay(client))[0] != 201:  # noqa: ASYNC110 - the pool does not tell when it is whole again
            await asyncio.sleep(0.1)
