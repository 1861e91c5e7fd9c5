"""Serves HTTP in a separate process until a signal arrives."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AbstractAsyncContextManager

import uvloop
from aiohttp import web


def serve_until_signal(application: AbstractAsyncContextManager[web.Application], listen: str) -> None:
    """Serve on HOST:PORT until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(application, listen))


async def until_signal() -> None:
    """Wait for SIGTERM or SIGINT."""
    received = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, received.set)
    await received.wait()


async def _serve(application: AbstractAsyncContextManager[web.Application], listen: str) -> None:
    async with application as serving:
        runner = web.AppRunner(serving, access_log=None)
        await runner.setup()
        host, _, port = listen.rpartition(":")
        await web.TCPSite(runner, host, int(port), shutdown_timeout=0.5).start()
        await until_signal()
        await runner.cleanup()
