"""The toxics of one proxy, in the order in which data meets them, and the connections under them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from alertdrill.chaos.toxiproxy.embedded.connection import ProxyConnection
from alertdrill.chaos.toxiproxy.embedded.errors import toxic_not_found
from alertdrill.chaos.toxiproxy.embedded.link import Link
from alertdrill.chaos.toxiproxy.embedded.toxic import Direction, Toxic, read_toxic


class Chain:
    """Toxics for each direction; a change reaches open connections before the response."""

    def __init__(self) -> None:
        self.connections: set[ProxyConnection] = set()
        self.toxics: dict[Direction, list[Toxic]] = {direction: [] for direction in Direction}
        self._changing = asyncio.Lock()

    def all(self) -> list[Toxic]:
        """List the toxics: upstream first, each direction in the order of the data."""
        return [toxic for direction in Direction for toxic in self.toxics[direction]]

    def get(self, name: str) -> Toxic:
        """Find a toxic; raises ApiError."""
        toxic = self._find(name)
        if toxic is None:
            raise toxic_not_found()
        return toxic

    async def add(self, body: bytes) -> Toxic:
        """Add the toxic that a body describes; raises ApiError."""
        async with self._changing:
            toxic = read_toxic(body, lambda name: self._find(name) is not None)
            self.toxics[toxic.direction].append(toxic)
            await self._for_links(toxic, lambda link: link.add(toxic))
        return toxic

    async def update(self, name: str, body: bytes) -> Toxic:
        """Change a toxic; raises ApiError."""
        async with self._changing:
            toxic = self.get(name)
            toxic.update(body)
            await self._for_links(toxic, lambda link: link.update(toxic))
        return toxic

    async def remove(self, name: str) -> None:
        """Remove a toxic; raises ApiError."""
        async with self._changing:
            await self._remove(self.get(name))

    async def clear(self) -> None:
        """Remove every toxic."""
        async with self._changing:
            for toxic in self.all():
                await self._remove(toxic)

    async def _remove(self, toxic: Toxic) -> None:
        self.toxics[toxic.direction].remove(toxic)
        await self._for_links(toxic, lambda link: link.remove(toxic))

    async def _for_links(self, toxic: Toxic, change: Callable[[Link], Coroutine[Any, Any, None]]) -> None:
        await asyncio.gather(*[change(one.links[toxic.direction]) for one in self.connections])

    def _find(self, name: str) -> Toxic | None:
        return next((toxic for toxic in self.all() if toxic.name == name), None)
