"""The open connections of the agent's server: there is room for each new one, whatever others hold.

At the limit a connection is closed for the new one: one on which no request is handled, of the address that has the
most, and of these the one that has waited longest. So Prometheus gets through while strangers hold connections.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Connections:
    """The connections of a server, `most` at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[asyncio.BaseProtocol, _Connection] = {}

    def accept(self, answering: web.RequestHandler) -> asyncio.Protocol:
        """Return the protocol of a new connection, on which `answering` answers."""
        return _Connection(answering, self._open, self._most)

    @web.middleware
    async def handling(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        """Keep the connection of a request for as long as the request is handled."""
        connection = self._open.get(request.protocol)
        if connection is not None:
            connection.is_handled = True
        try:
            return await handler(request)
        finally:
            if connection is not None:
                connection.wait()


class _Connection(asyncio.Protocol):
    """One connection; all that happens on it is passed on to the protocol that answers."""

    def __init__(
        self, answering: web.RequestHandler, others: dict[asyncio.BaseProtocol, _Connection], most: int
    ) -> None:
        self.is_handled = False
        self.address = ""
        self.since_seconds = 0.0
        self._answering = answering
        self._open = others
        self._most = most

    def wait(self) -> None:
        """Note that no request is handled, from now on."""
        self.is_handled, self.since_seconds = False, asyncio.get_running_loop().time()

    def abort(self) -> None:
        """Close it at once: a client that does not read would keep it open until all is sent."""
        self._open.pop(self._answering, None)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, but is not a subclass
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self.wait()
        if len(self._open) >= self._most:
            _least_needed(self._open).abort()
        self._open[self._answering] = self
        self._answering.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.pop(self._answering, None)
        self._answering.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._answering.data_received(data)

    def eof_received(self) -> None:
        self._answering.eof_received()

    def pause_writing(self) -> None:
        self._answering.pause_writing()

    def resume_writing(self) -> None:
        self._answering.resume_writing()


def _least_needed(connections: dict[asyncio.BaseProtocol, _Connection]) -> _Connection:
    of_address = Counter(one.address for one in connections.values())
    return min(connections.values(), key=lambda one: (one.is_handled, -of_address[one.address], one.since_seconds))
