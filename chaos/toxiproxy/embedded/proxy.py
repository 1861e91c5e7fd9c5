"""A proxy: it listens, dials its upstream for each client, and connects the two."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from functools import partial
from typing import Any

from alertdrill.chaos.toxiproxy.embedded.address import AddressError, listen, local_address, resolve, split
from alertdrill.chaos.toxiproxy.embedded.chain import Chain
from alertdrill.chaos.toxiproxy.embedded.connection import ProxyConnection
from alertdrill.chaos.toxiproxy.embedded.endpoint import Endpoint
from alertdrill.chaos.toxiproxy.embedded.errors import ApiError
from alertdrill.chaos.toxiproxy.embedded.metrics import Metrics
from alertdrill.chaos.toxiproxy.embedded.stage import Spawn
from alertdrill.chaos.toxiproxy.embedded.toxic import Direction

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Surroundings:
    """Shared by all proxies: a task group's `spawn`, and the metrics if there are any."""

    spawn: Spawn
    metrics: Metrics | None


class Proxy:
    """A name, the address where it listens, and its upstream; `listen` is resolved when the proxy starts."""

    def __init__(self, name: str, listen: str, upstream: str, surroundings: Surroundings) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.chain = Chain()
        self._surroundings = surroundings
        self._changing = asyncio.Lock()
        self._accepting: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what the API shows, in its order; `Logger` is a mistake of the real server that clients may read."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "Logger": {},
            "toxics": [toxic.as_json() for toxic in self.chain.all()],
        }

    async def start(self) -> None:
        """Listen, unless it listens already; raises ApiError."""
        async with self._changing:
            if not self.enabled:
                await self._start()

    async def stop(self) -> None:
        """Stop listening, and close every connection."""
        async with self._changing:
            self._stop()

    async def update(self, listen: str, upstream: str, *, enabled: bool) -> None:
        """Change the proxy; another address closes every connection. On ApiError the proxy is disabled."""
        async with self._changing:
            if await self.differs(listen, upstream):
                self._stop()
                self.listen, self.upstream = listen, upstream
            if enabled and not self.enabled:
                await self._start()
            elif not enabled:
                self._stop()

    async def differs(self, listen: str, upstream: str) -> bool:
        """Return whether an address differs from the current one; raises ApiError."""
        try:
            return self.listen != str(await resolve(listen)) or self.upstream != upstream
        except AddressError as error:
            raise ApiError(str(error), 500) from error

    async def _start(self) -> None:
        try:
            self._listener = await listen(self.listen)
        except AddressError as error:
            raise ApiError(str(error), 500) from error
        self.listen = local_address(self._listener)
        self.enabled = True
        _log.info("Started proxy", extra={"fields": self._identity()})
        self._accepting = self._surroundings.spawn(self._accept(self._listener))

    def _identity(self) -> dict[str, str]:
        return {"name": self.name, "listen": self.listen, "upstream": self.upstream}

    def _stop(self) -> None:
        if self.enabled:
            _log.info("Terminated proxy", extra={"fields": self._identity()})
        self.enabled = False
        if self._accepting is not None:
            self._accepting.cancel()
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.chain.connections):
            connection.abort()

    async def _accept(self, listener: socket.socket) -> None:
        """Serve one client after another: like the real server, it accepts none while it dials for another."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                # For example too many open files; clients wait in the backlog meanwhile.
                _log.warning("proxy %s: cannot accept: %s", self.name, error)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            try:
                await self._join(client)
            except (OSError, ValueError) as error:
                # A ValueError comes from a host name that cannot be encoded.
                _log.warning("proxy %s: cannot reach %s: %s", self.name, self.upstream, error)

    async def _join(self, client_socket: socket.socket) -> None:
        """Dial the upstream and connect the client with it; on OSError the client is closed."""
        loop = asyncio.get_running_loop()
        server: Endpoint | None = None
        try:
            host, port = _upstream(self.upstream)
            _, server = await loop.create_connection(Endpoint, host, port)
            _, client = await loop.connect_accepted_socket(Endpoint, client_socket)
        except BaseException:
            client_socket.close()
            if server is not None:
                server.abort()
            raise
        ended = self.chain.connections.discard
        connection = ProxyConnection(client, server, self._surroundings.spawn, self._counter(), ended)
        self.chain.connections.add(connection)
        connection.start(self.chain.toxics)

    def _counter(self) -> partial[None]:
        """Return a counter of bytes with the current labels of the proxy."""
        return partial(_count, self._surroundings.metrics, (self.name, self.listen, self.upstream))


def _upstream(address: str) -> tuple[str, int]:
    try:
        host, port = split(address)
    except AddressError as error:
        raise OSError(str(error)) from error
    return host or "localhost", port


def _count(
    metrics: Metrics | None, names: tuple[str, str, str], direction: Direction, which: str, count_bytes: int
) -> None:
    if metrics is not None:
        proxy, listener, upstream = names
        metrics.add(which, (direction.value, listener, proxy, upstream), count_bytes)
