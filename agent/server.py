"""The agent's own HTTP server: the receiver of Alertmanager's webhooks, and its health."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web

from agent.errors import ServiceUnavailable
from agent.recording import NotificationRecord


class Inbox:
    """What Alertmanager told us, in order; one record for each alert of each call."""

    def __init__(self) -> None:
        self.notifications: list[NotificationRecord] = []

    def application(self) -> web.Application:
        """Make the web application."""
        application = web.Application()
        application.router.add_post("/api/v1/webhook/{receiver}", self._receive)
        application.router.add_get("/-/healthy", _healthy)
        return application

    async def _receive(self, request: web.Request) -> web.Response:
        now = time.time()
        try:
            call = await request.json()
            records = [_record(now, request.match_info["receiver"], alert) for alert in call["alerts"]]
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"not a webhook of Alertmanager: {error!r}\n") from error
        self.notifications += records
        return web.Response(text="OK\n")


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
        # Alertmanager spells "not yet" as the first instant of the year 1.
        ends_at=ends_at.timestamp() if ends_at.year > 1 else None,
    )


@asynccontextmanager
async def serving(inbox: Inbox, listen: str) -> AsyncIterator[None]:
    """Serve on HOST:PORT for the length of the block; raises ServiceUnavailable when that is taken."""
    host, port = listen.rsplit(":", 1)
    runner = web.AppRunner(inbox.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, int(port)).start()
        except OSError as error:
            reason = error.strerror or error
            raise ServiceUnavailable(
                f"cannot listen on {listen}: {reason}; set another `listen` in agent.yml"
            ) from error
        yield
    finally:
        await runner.cleanup()
