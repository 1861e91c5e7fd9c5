"""The agent's HTTP server: health, metrics, and the routes that it is given."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from alertdrill.agent.errors import ServiceUnavailable

# aiohttp logs every call that is not HTTP with a traceback, which is the caller's error and no bug.
_SILENT = logging.getLogger("alertdrill.serving")
_SILENT.disabled = True


def metrics_route(registry: CollectorRegistry) -> web.RouteDef:
    """Return the route that Prometheus scrapes; it answers in the format that Prometheus asks for."""

    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return web.get("/metrics", answer)


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="alertdrill is healthy.\n")


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
    runner = web.AppRunner(
        application, access_log=None, shutdown_timeout=1.0, lingering_time=1.0, auto_decompress=False, logger=_SILENT
    )
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
