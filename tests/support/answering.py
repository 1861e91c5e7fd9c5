"""A real server on loopback that gives a fixed answer."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer

from alertdrill.agent.config.servers import MonitoringServer

Answer = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]


@dataclass
class Answering:
    """The address of a server, and the requests it received: path with query, and the client's port."""

    url: str
    asked: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)


@asynccontextmanager
async def answering(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[Answering]:
    """Give one answer to all requests for the length of the block."""

    async def handle(request: web.Request) -> web.StreamResponse:
        started.asked.append(request.path_qs)
        assert request.transport is not None
        started.ports.add(request.transport.get_extra_info("peername")[1])
        response = answer(request)
        return response if isinstance(response, web.StreamResponse) else await response

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    server = TestServer(application, scheme="https" if context else "http")
    await server.start_server(ssl=context)
    try:
        started = Answering(str(server.make_url("/")).rstrip("/"))
        yield started
    finally:
        await server.close()


def patient_server(url: str) -> MonitoringServer:
    """Return the settings of a server that is given a minute for each answer, because the machine may be busy."""
    return MonitoringServer(url=url, timeout=timedelta(minutes=1))
