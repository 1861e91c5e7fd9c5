"""The agent's HTTP server: health, metrics, and the routes that it is given."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from alertdrill.agent.config.web_file import ServerTls
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.files import identity
from alertdrill.agent.serving.connections import Answer, Connections

# aiohttp logs every call that is not HTTP with a traceback, which is the caller's error and no bug.
_SILENT = logging.getLogger("alertdrill.serving")
_SILENT.disabled = True
_BACKLOG = 128
_LOOK_EVERY_SECONDS = 1.0
_SECONDS_FOR_A_HANDSHAKE = 10.0


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections a server has at once, and how long one may wait for a whole head of a request."""

    connections: int = 512
    # No usual interval of scrapes or notifications: the next call would meet a connection that is just being closed.
    seconds_for_a_head: float = 25.0


_LIMITS = ConnectionLimits()


def metrics_route(registry: CollectorRegistry, guarded: Callable[[Answer], Answer] = lambda one: one) -> web.RouteDef:
    """Return the route that Prometheus scrapes, behind a guard; it answers in the format that Prometheus asks for."""

    async def answer(request: web.Request) -> web.StreamResponse:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return web.get("/metrics", guarded(answer))


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="alertdrill is healthy.\n")


class _Certificate:
    """The certificate of a server, which is read again when its files were changed."""

    def __init__(self, settings: ServerTls) -> None:
        self.context = settings.context()
        self._settings = settings
        self._looked_at = time.monotonic()
        self._seen = self._identities()

    def _identities(self) -> list[tuple[int, ...] | None]:
        return [identity(self._settings.cert_file), identity(self._settings.key_file)]

    def look(self) -> None:
        """Take the newest certificate that can be used, for the connections from now on."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY_SECONDS:
            return
        self._looked_at, seen = now, self._identities()
        if seen == self._seen:
            return
        try:
            # First into another context: of one file that is new and one that is old, nothing may be used.
            self._settings.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._settings.load_into(self.context)
        except ValueError:
            # The other file may come in a moment: it is looked at again.
            return
        self._seen = seen


class Listener:
    """A server that listens; a new connection is answered by the routes that were given last."""

    def __init__(self, limits: ConnectionLimits, certificate: _Certificate | None = None) -> None:
        self._limits = limits
        self._certificate = certificate
        self._connections = Connections(limits.connections)
        self._answering: list[web.Server] = []

    def accept(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        if self._certificate is not None:
            self._certificate.look()
        return self._connections.accept(self._answering[-1]())

    @asynccontextmanager
    async def answering(self, routes: Iterable[web.RouteDef]) -> AsyncIterator[None]:
        """Serve health and other routes for the length of the block; after it, as before."""
        application = web.Application(middlewares=[self._connections.handling])
        given = list(routes)
        if all(route.path != "/-/healthy" for route in given):
            given.append(web.get("/-/healthy", _healthy))
        application.add_routes(given)
        runner = web.AppRunner(
            application,
            access_log=None,
            shutdown_timeout=1.0,
            lingering_time=1.0,
            auto_decompress=False,
            logger=_SILENT,
            # It also counts from the begin of a connection, and until a whole head is there, so a slow one ends it too.
            keepalive_timeout=self._limits.seconds_for_a_head,
        )
        await runner.setup()
        self._answering.append(cast(web.Server, runner.server))
        try:
            yield
        finally:
            self._answering.pop()
            await runner.cleanup()


@asynccontextmanager
async def serving(
    routes: Iterable[web.RouteDef],
    listen: str,
    setting: str = "`listen` in agent.yml",
    limits: ConnectionLimits = _LIMITS,
    tls: ServerTls | None = None,
) -> AsyncIterator[Listener]:
    """Serve health and other routes on HOST:PORT for the length of the block, within limits of its connections.

    Raises ServiceUnavailable, which names the `setting` to change, when the address is taken.
    """
    host, port = listen.rsplit(":", 1)
    certificate = None if tls is None else _Certificate(tls)
    listener = Listener(limits, certificate)
    async with listener.answering(routes):
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(
                listener.accept,
                host,
                int(port),
                backlog=_BACKLOG,
                ssl=None if certificate is None else certificate.context,
                ssl_handshake_timeout=None if certificate is None else _SECONDS_FOR_A_HANDSHAKE,
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ServiceUnavailable(f"cannot listen on {listen}: {reason}; set another {setting}") from error
        try:
            yield listener
        finally:
            server.close()
