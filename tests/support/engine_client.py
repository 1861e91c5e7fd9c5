"""A client of a lab's payment engine, and of what stands around it."""

from __future__ import annotations

from typing import Any

import aiohttp

from alertdrill.lab.stack import Lab

ORDER: dict[str, Any] = {
    "fromAccountId": "test-account-1",
    "toAccountId": "test-account-2",
    "paymentTypeId": "test-payment-type",
    "amount": 100.00,
    "currencyCode": "USD",
    "description": "Load test transaction",
}
ENGINE = "payment-engine:8080"


class Client:
    """Pays, reads metrics, takes memory, and breaks proxies."""

    def __init__(self, session: aiohttp.ClientSession, lab: Lab) -> None:
        self._session = session
        self._lab = lab

    async def pay(self, token: str = "test-token", key: str | None = None, **changes: Any) -> tuple[int, Any]:  # noqa: S107
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        order = {name: value for name, value in (ORDER | changes).items() if value is not None}
        url = f"http://{self._lab.addresses[ENGINE]}/api/v1/transactions"
        async with self._session.post(url, json=order, headers=headers) as response:
            return response.status, await response.json()

    async def metrics(self, service: str = ENGINE) -> str:
        return await self.metrics_at(self._lab.addresses[service], service)

    async def metrics_at(self, address: str, service: str = ENGINE) -> str:
        path = "/actuator/prometheus" if service == ENGINE else "/metrics"
        async with self._session.get(f"http://{address}{path}") as response:
            return await response.text()

    async def values(self, service: str = ENGINE) -> dict[str, float]:
        """Read every series: {name and labels: value}."""
        return values(await self.metrics(service))

    async def memory(self, method: str, order: Any = None, token: str = "test-token") -> tuple[int, Any]:  # noqa: S107
        url = f"http://{self._lab.addresses[ENGINE]}/actuator/memory"
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.request(method, url, json=order, headers=headers) as response:
            return response.status, await response.json()

    async def is_up(self) -> bool:
        try:
            await self.metrics()
        except aiohttp.ClientError:
            return False
        return True

    async def toxic(self, proxy: str, **body: Any) -> None:
        url = f"http://{self._lab.addresses['toxiproxy:8474']}/proxies/{proxy}/toxics"
        async with self._session.post(url, json={"name": "test", **body}) as response:
            assert response.status == 200

    async def heal(self, proxy: str) -> None:
        url = f"http://{self._lab.addresses['toxiproxy:8474']}/proxies/{proxy}/toxics/test"
        async with self._session.delete(url) as response:
            assert response.status == 204

    async def enable(self, proxy: str, *, enabled: bool) -> None:
        url = f"http://{self._lab.addresses['toxiproxy:8474']}/proxies/{proxy}"
        async with self._session.post(url, json={"enabled": enabled}) as response:
            assert response.status == 200


def values(text: str) -> dict[str, float]:
    """Read an exposition: {name and labels: value}."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
