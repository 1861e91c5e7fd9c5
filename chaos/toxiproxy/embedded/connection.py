"""One connection through a proxy: two sockets, and a link for each direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from alertdrill.chaos.toxiproxy.embedded.endpoint import Endpoint
from alertdrill.chaos.toxiproxy.embedded.link import Link
from alertdrill.chaos.toxiproxy.embedded.stage import Spawn
from alertdrill.chaos.toxiproxy.embedded.toxic import Direction, Toxic

Count = Callable[[Direction, str, int], None]


class ProxyConnection:
    """A client and its server; `on_end` is called when both sockets are gone."""

    def __init__(
        self, client: Endpoint, server: Endpoint, spawn: Spawn, count: Count, on_end: Callable[[ProxyConnection], None]
    ) -> None:
        self._endpoints = (client, server)
        self._on_end = on_end
        self.links = {
            Direction.UPSTREAM: Link(client, server, spawn, partial(count, Direction.UPSTREAM)),
            Direction.DOWNSTREAM: Link(server, client, spawn, partial(count, Direction.DOWNSTREAM)),
        }
        client.on_lost = server.on_lost = self._lost

    def start(self, chains: Mapping[Direction, Sequence[Toxic]]) -> None:
        """Begin to pass data through these toxics."""
        for direction, link in self.links.items():
            link.start(chains[direction])
        # A socket may have been lost before `on_lost` was set.
        if any(endpoint.lost for endpoint in self._endpoints):
            self._lost()

    def abort(self) -> None:
        """Close both sockets now."""
        for endpoint in self._endpoints:
            endpoint.abort()

    def _lost(self) -> None:
        """Wake waiting writers; when both sockets are gone, stop everything."""
        for link in self.links.values():
            link.writable()
        if all(one.lost for one in self._endpoints):
            for link in self.links.values():
                link.abandon()
            self._on_end(self)
