"""The agent's HTTP server: metrics, health, and the receiver of Alertmanager's webhooks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.recording.records import NotificationRecord


class Inbox:
    """Where Alertmanager calls; `take` is called with a record for each alert of each call, in order.

    `wall` is the clock of the records, in Unix seconds.
    """

    def __init__(self, take: Callable[[NotificationRecord], None], wall: Callable[[], float] = time.time) -> None:
        self._take = take
        self._wall = wall

    def route(self) -> web.RouteDef:
        """Return the route that Alertmanager calls."""
        return web.post("/api/v1/webhook/{receiver}", self._answer)

    def receive(self, receiver: str, call: Any) -> None:  # noqa: ANN401 - JSON
        """Take the alerts of one call; raises ValueError, KeyError or TypeError when it is not a webhook's call."""
        now = self._wall()
        for record in [_record(now, receiver, alert) for alert in call["alerts"]]:
            self._take(record)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            self.receive(request.match_info["receiver"], await request.json())
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"not a webhook of Alertmanager: {error!r}\n") from error
        return web.Response(text="OK\n")


def metrics_route(registry: CollectorRegistry) -> web.RouteDef:
    """Return the route that Prometheus scrapes; it answers in the format that Prometheus asks for."""

    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return web.get("/metrics", answer)


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="alertdrill is healthy.\n")


def _record(now: float, receiver: str, alert: dict[str, Any]) -> NotificationRecord:
    ends_at = datetime.fromisoformat(alert["endsAt"])
    return NotificationRecord(
        received_at=now,
        receiver=receiver,
        status=alert["status"],
        labels=alert["labels"],
        starts_at=datetime.fromisoformat(alert["startsAt"]).timestamp(),
        # Alertmanager writes "not yet" as the first instant of the year 1.
        ends_at=ends_at.timestamp() if ends_at.year > 1 else None,
    )


@asynccontextmanager
async def serving(
    routes: Iterable[web.RouteDef], listen: str, setting: str = "`listen` in agent.yml"
) -> AsyncIterator[None]:
    """Serve health and other routes on HOST:PORT for the length of the block.

    Raises ServiceUnavailable, which names the `setting` to change, when the address is taken.
    """
    host, port = listen.rsplit(":", 1)
    application = web.Application()
    application.add_routes([web.get("/-/healthy", _healthy), *routes])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, int(port)).start()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ServiceUnavailable(f"cannot listen on {listen}: {reason}; set another {setting}") from error
        yield
    finally:
        await runner.cleanup()
