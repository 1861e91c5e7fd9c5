"""The server: the API on its port, and the proxies behind it, until a signal stops it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from alertdrill.chaos.toxiproxy.embedded import VERSION
from alertdrill.chaos.toxiproxy.embedded.address import join
from alertdrill.chaos.toxiproxy.embedded.api import ToxiproxyApi
from alertdrill.chaos.toxiproxy.embedded.collection import Collection
from alertdrill.chaos.toxiproxy.embedded.errors import ApiError, ServerNotStarted
from alertdrill.chaos.toxiproxy.embedded.http_server import serve_connection
from alertdrill.chaos.toxiproxy.embedded.metrics import Metrics
from alertdrill.chaos.toxiproxy.embedded.proxy import Surroundings

_log = logging.getLogger(__package__)
# The real server's words for LOG_LEVEL, and the nearest level here.
_LEVELS = {
    # Set, but empty.
    "": logging.CRITICAL + 1,
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
    "disabled": logging.CRITICAL + 1,
}
_NAMES = {"WARNING": "warn", "CRITICAL": "fatal"}


@dataclass(frozen=True)
class ServerOptions:
    """The address of the API, a JSON file of the first proxies, and which metrics there are."""

    host: str = "127.0.0.1"
    port: int = 8474
    config: Path | None = None
    proxy_metrics: bool = False
    runtime_metrics: bool = False


async def serve(options: ServerOptions, until: asyncio.Event) -> None:
    """Run until the event; raises ServerNotStarted."""
    metrics = None
    if options.proxy_metrics or options.runtime_metrics:
        metrics = Metrics(of_proxies=options.proxy_metrics, of_process=options.runtime_metrics)
    async with asyncio.TaskGroup() as group:
        collection = Collection(Surroundings(group.create_task, metrics))
        try:
            await _populate(collection, options.config)
            async with _listening(ToxiproxyApi(collection, metrics), options):
                await until.wait()
                _log.info("Shutdown started")
        finally:
            await collection.close()


def run(options: ServerOptions) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    code = 0
    _log_to_stdout()
    _log.info("Starting Toxiproxy", extra={"fields": {"version": VERSION}})
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


@asynccontextmanager
async def _listening(api: ToxiproxyApi, options: ServerOptions) -> AsyncIterator[None]:
    """Serve the API for the length of the block."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve_connection(reader, writer, api.answer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        server = await asyncio.start_server(accept, options.host, options.port)
    except OSError as error:
        # The text of the event loop would repeat the address.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ServerNotStarted(f"cannot listen on {join(options.host, options.port)}: {reason}") from error
    _log.info("Starting Toxiproxy HTTP server", extra={"fields": {"address": join(options.host, options.port)}})
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _populate(collection: Collection, config: Path | None) -> None:
    if config is None:
        return
    try:
        await collection.populate(await asyncio.to_thread(config.read_bytes), [])
    except OSError as error:
        raise ServerNotStarted(f"{config}: {error.strerror}, expected a JSON list of proxies") from error
    except ApiError as error:
        raise ServerNotStarted(f"{config}: {error.message}") from error


class _JsonLines(logging.Formatter):
    """A JSON object in each line, with the keys of the real server's log."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "level": _NAMES.get(record.levelname, record.levelname.lower()),
            **vars(record).get("fields", {}),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def _log_to_stdout() -> None:
    """Write the log like the real server; LOG_LEVEL has the lowest level that is written."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    _log.addHandler(handler)
    _log.propagate = False
    wanted = os.environ.get("LOG_LEVEL", "trace")
    _log.setLevel(_LEVELS.get(wanted.lower(), logging.DEBUG))
    if wanted.lower() not in _LEVELS:
        _log.error("unknown LOG_LEVEL value: %s", json.dumps(wanted))
