"""The server: the API on its port, and the proxies behind it, until a signal stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiohttp import web

from alertdrill.chaos.toxiproxy.embedded.api import ToxiproxyApi
from alertdrill.chaos.toxiproxy.embedded.collection import Collection
from alertdrill.chaos.toxiproxy.embedded.errors import ApiError, ServerNotStarted
from alertdrill.chaos.toxiproxy.embedded.metrics import Metrics
from alertdrill.chaos.toxiproxy.embedded.proxy import Surroundings

_IDLE_SECONDS = 60.0
_STOP_WITHIN_SECONDS = 0.5


@dataclass(frozen=True)
class ServerOptions:
    """The address of the API, a JSON file of the first proxies, and whether there are metrics."""

    host: str = "127.0.0.1"
    port: int = 8474
    config: Path | None = None
    proxy_metrics: bool = False


async def serve(options: ServerOptions, until: asyncio.Event) -> None:
    """Run until the event; raises ServerNotStarted."""
    metrics = Metrics() if options.proxy_metrics else None
    async with asyncio.TaskGroup() as group:
        collection = Collection(Surroundings(group.create_task, metrics))
        runner = web.AppRunner(
            ToxiproxyApi(collection, metrics).application(), access_log=None, keepalive_timeout=_IDLE_SECONDS
        )
        await runner.setup()
        try:
            await _populate(collection, options.config)
            await _listen(runner, options)
            await until.wait()
        finally:
            await runner.cleanup()
            await collection.close()


def run(options: ServerOptions) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_until_signal(options))
    except* ServerNotStarted as group:
        sys.stderr.write(f"toxiproxy: {group.exceptions[0]}\n")
        code = 2
    return code


async def _serve_until_signal(options: ServerOptions) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await serve(options, stopped)


async def _listen(runner: web.AppRunner, options: ServerOptions) -> None:
    try:
        await web.TCPSite(runner, options.host, options.port, shutdown_timeout=_STOP_WITHIN_SECONDS).start()
    except OSError as error:
        # The text of the event loop would repeat the address.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ServerNotStarted(f"cannot listen on {options.host}:{options.port}: {reason}") from error


async def _populate(collection: Collection, config: Path | None) -> None:
    if config is None:
        return
    try:
        await collection.populate(await asyncio.to_thread(config.read_bytes), [])
    except OSError as error:
        raise ServerNotStarted(f"{config}: {error.strerror}, expected a JSON list of proxies") from error
    except ApiError as error:
        raise ServerNotStarted(f"{config}: {error.message}") from error
