"""A real server that answers as it is told to."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]


@dataclass
class Answering:
    """Where a server answers, and what it was asked: path with query, and the client's port."""

    url: str
    asked: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)


Serve = Callable[..., Awaitable[Answering]]


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server with one answer for all paths; it ends with the test."""
    async with AsyncExitStack() as servers:

        async def start(answer: Answer, context: ssl.SSLContext | None = None) -> Answering:
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
            servers.push_async_callback(server.close)
            started = Answering(str(server.make_url("/")).rstrip("/"))
            return started

        yield start
