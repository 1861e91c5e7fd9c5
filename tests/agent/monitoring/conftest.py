"""A real server whose answers a test chooses."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest_asyncio

from tests.support.answering import Answer, Answering, answering

__all__ = ["Answer", "Answering", "Serve", "serve"]
Serve = Callable[..., Awaitable[Answering]]


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server with one answer for all paths; it ends with the test."""
    async with AsyncExitStack() as servers:

        async def start(answer: Answer, context: ssl.SSLContext | None = None) -> Answering:
            return await servers.enter_async_context(answering(answer, context))

        yield start
