"""The engine's HTTP interface."""

from __future__ import annotations

import hmac
import json
import time
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError

from lab.engine.cache import Cache
from lab.engine.database import Busy, Database
from lab.engine.metrics import Metrics
from lab.engine.payment import Payment, problems

_REFUSALS = {"account": "no such account", "funds": "the payer's balance is too small"}


class Refused(Exception):
    """The payment is not made; the status and the reason are the answer."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Engine:
    """Answers requests with the help of a database and a cache."""

    database: Database
    cache: Cache
    metrics: Metrics
    token: str

    def application(self) -> web.Application:
        """Make the web application."""
        application = web.Application()
        application.router.add_post("/api/v1/transactions", self._transact)
        application.router.add_get("/actuator/prometheus", self._scrape)
        application.router.add_get("/actuator/health", self._health)
        return application

    async def _transact(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        try:
            return web.json_response(await self._book(request), status=201)
        except Refused as refused:
            if refused.status >= 500:
                self.metrics.errors.inc()
            return web.json_response({"error": refused.code, "reason": str(refused)}, status=refused.status)
        finally:
            self.metrics.processed.inc()
            self.metrics.response_time.observe(time.perf_counter() - started)

    async def _book(self, request: web.Request) -> dict[str, str]:
        if not hmac.compare_digest(request.headers.get("Authorization", ""), f"Bearer {self.token}"):
            raise Refused(401, "unauthorized", "expected the header Authorization: Bearer <token>")
        payment, key = await _read(request), request.headers.get("Idempotency-Key")
        unknown, earlier = await self.cache.look_up((payment.fromAccountId, payment.toAccountId), key)
        if earlier is not None:
            return _replay(earlier, payment)
        try:
            await self._require_accounts(unknown)
            transaction_id, result = await self.database.book(payment, key)
        except Busy as error:
            raise Refused(503, "unavailable", str(error)) from error
        if result == "conflict":
            raise Refused(409, "conflict", "the Idempotency-Key belongs to another payment")
        if result in _REFUSALS:
            raise Refused(400, "refused", _REFUSALS[result])
        answer = {"transactionId": str(transaction_id), "status": "BOOKED"}
        if key is not None:
            await self.cache.remember_payment(key, answer | {"digest": payment.digest()})
        return answer

    async def _require_accounts(self, unknown: list[str]) -> None:
        for account in unknown:
            if not await self.database.has_account(account):
                raise Refused(400, "refused", f"no such account: {account}")
        if unknown:
            await self.cache.remember_accounts(unknown)

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "UP"})


async def _read(request: web.Request) -> Payment:
    try:
        return Payment.model_validate(json.loads(await request.read()))
    except ValidationError as error:
        raise Refused(400, "bad_request", problems(error)) from error
    except ValueError as error:
        raise Refused(400, "bad_request", f"the body is no JSON: {error}") from error


def _replay(earlier: dict[str, str], payment: Payment) -> dict[str, str]:
    if earlier["digest"] != payment.digest():
        raise Refused(409, "conflict", "the Idempotency-Key belongs to another payment")
    return {name: value for name, value in earlier.items() if name != "digest"}
