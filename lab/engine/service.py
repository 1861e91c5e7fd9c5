"""The engine's HTTP API: one payment from request to answer."""

from __future__ import annotations

import hmac
import logging
import time
from typing import Any

from aiohttp import web

from alertdrill.lab.engine.cache import Cache, Claim
from alertdrill.lab.engine.metrics import EngineMetrics
from alertdrill.lab.engine.outbox import Outbox
from alertdrill.lab.engine.payment import DEFAULT_TENANT, Payment, PaymentRefused, read_payment
from alertdrill.lab.engine.store import Store

_log = logging.getLogger(__name__)


class Service:
    """Books payments; PostgreSQL decides, Redis saves time."""

    def __init__(self, store: Store, cache: Cache, metrics: EngineMetrics, token: str, outbox: Outbox | None) -> None:
        self._store = store
        self._cache = cache
        self._metrics = metrics
        self._outbox = outbox
        self._authorization = f"Bearer {token}".encode()

    def application(self) -> web.Application:
        """Build the web application."""
        application = web.Application()
        application.router.add_post("/api/v1/transactions", self._transaction)
        application.router.add_get("/actuator/prometheus", self._prometheus)
        application.router.add_get("/actuator/health", self._health)
        return application

    def require_token(self, request: web.Request) -> None:
        """Raise Refused unless the request has the engine's token."""
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization):
            raise PaymentRefused(401, "unauthorized", "expected Authorization: Bearer with the engine's token")

    async def _transaction(self, request: web.Request) -> web.Response:
        started = time.monotonic()
        tenant = DEFAULT_TENANT
        refusal: tuple[int, str] | None = (500, "internal")
        answer: dict[str, Any] = {"error": "internal", "reason": "the payment engine failed"}
        self._metrics.active.inc()
        try:
            self.require_token(request)
            payment = read_payment(await request.read())
            tenant = payment.tenant_id
            answer, refusal = await self._answer(request, payment), None
        except PaymentRefused as refused:
            answer = {"error": refused.error, "reason": refused.reason}
            refusal = (refused.status, refused.error)
        except Exception:  # noqa: BLE001 - the client gets an answer, and the failure is counted
            _log.exception("a payment failed")
        finally:
            self._metrics.active.dec()
            self._metrics.answered(tenant, time.monotonic() - started, refusal)
        return web.json_response(answer, status=refusal[0] if refusal else 201)

    async def _answer(self, request: web.Request, payment: Payment) -> dict[str, Any]:
        key = request.headers.get("Idempotency-Key") or None
        if key is not None and len(key) > 200:
            raise PaymentRefused(400, "invalid_request", "Idempotency-Key: longer than 200 characters")
        accounts = [payment.from_account_id, payment.to_account_id]
        missed, before = await self._cache.look_up(accounts, key, payment.digest)
        if before is not None:
            return _replay(before, payment)
        try:
            return await self._book(payment, key, missed)
        except BaseException:
            if key is not None:
                self._cache.release_key(key)
            raise

    async def _book(self, payment: Payment, key: str | None, missed: list[str]) -> dict[str, Any]:
        if missed:
            existing = await self._store.existing(missed)
            if unknown := [account for account in missed if account not in existing]:
                raise PaymentRefused(400, "unknown_account", f"there is no account {' or '.join(unknown)}")
            self._cache.remember_accounts(missed)
        booking = await self._store.book(payment, key)
        if booking.is_new:
            self._metrics.business.booked(payment)
            if self._outbox is not None:
                self._outbox.add(payment.message(booking.transaction_id, booking.booked_at))
        answer = payment.booked(booking.transaction_id, booking.booked_at)
        if key is not None:
            self._cache.remember_answer(key, payment.digest, answer)
        return answer

    async def _prometheus(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "UP"})


def _replay(before: Claim, payment: Payment) -> dict[str, Any]:
    if before.digest != payment.digest:
        raise PaymentRefused(409, "idempotency_conflict", "this Idempotency-Key belongs to another payment")
    if before.answer is None:
        raise PaymentRefused(409, "in_progress", "the payment with this Idempotency-Key is still in progress")
    return before.answer
