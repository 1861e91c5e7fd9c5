"""The lab's payment engine without its database or its cache."""

from __future__ import annotations

import asyncio
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
    assert status == 503
    assert answer["error"] in {"database_unavailable", "database_error"}
    async with asyncio.timeout(180):
        while (await pay(client))[0] != 201:  # noqa: ASYNC110 - the pool does not tell when it is whole again
            await asyncio.sleep(0.1)
