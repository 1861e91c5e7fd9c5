"""All proxies of a server, by name."""

from __future__ import annotations

import asyncio
from typing import Any

from alertdrill.chaos.toxiproxy.embedded.bodies import PROXY, ProxyBody, read_object, read_objects
from alertdrill.chaos.toxiproxy.embedded.errors import ApiError, missing_field, proxy_not_found
from alertdrill.chaos.toxiproxy.embedded.proxy import Proxy, Surroundings


class Collection:
    """The proxies; each method is one request of the API and raises ApiError."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._surroundings = surroundings
        self._changing = asyncio.Lock()

    def get(self, name: str) -> Proxy:
        """Find a proxy."""
        try:
            return self.proxies[name]
        except KeyError:
            raise proxy_not_found() from None

    async def create(self, body: bytes) -> Proxy:
        """Create the proxy that a body describes."""
        given = ProxyBody(**read_object(body, PROXY))
        _require_fields(given, "")
        proxy = self._make(given)
        async with self._changing:
            if proxy.name in self.proxies:
                raise ApiError("proxy already exists", 409)
            if given.enabled:
                await proxy.start()
            self.proxies[proxy.name] = proxy
        return proxy

    async def update(self, name: str, body: bytes) -> Proxy:
        """Change a proxy."""
        proxy = self.get(name)
        now: dict[str, Any] = {"listen": proxy.listen, "upstream": proxy.upstream, "enabled": proxy.enabled}
        given = ProxyBody(**now | read_object(body, PROXY))
        await proxy.update(given.listen, given.upstream, enabled=given.enabled)
        return proxy

    async def delete(self, name: str) -> None:
        """Stop and remove a proxy."""
        async with self._changing:
            await self.get(name).stop()
            del self.proxies[name]

    async def populate(self, body: bytes, done: list[Proxy]) -> None:
        """Create or replace the proxies of a list; unchanged ones stay. They are added to `done`, also before an error."""
        wanted = [ProxyBody(**one) for one in read_objects(body, PROXY)]
        for number, given in enumerate(wanted, 1):
            _require_fields(given, f" at proxy {number}")
        for given in wanted:
            proxy = await self._add_or_replace(given)
            done.append(proxy)

    async def reset(self) -> None:
        """Enable every proxy and remove every toxic."""
        for proxy in list(self.proxies.values()):
            await proxy.start()
            await proxy.chain.clear()

    async def close(self) -> None:
        """Stop every proxy."""
        for proxy in self.proxies.values():
            await proxy.stop()

    async def _add_or_replace(self, given: ProxyBody) -> Proxy:
        proxy = self._make(given)
        async with self._changing:
            existing = self.proxies.get(proxy.name)
            if existing is not None:
                if not await existing.differs(proxy.listen, proxy.upstream):
                    return existing
                await existing.stop()
            if given.enabled:
                await proxy.start()
            self.proxies[proxy.name] = proxy
        return proxy

    def _make(self, given: ProxyBody) -> Proxy:
        return Proxy(given.name, given.listen, given.upstream, self._surroundings)


def _require_fields(given: ProxyBody, where: str) -> None:
    for field, value in (("name", given.name), ("upstream", given.upstream)):
        if not value:
            raise missing_field(f"{field}{where}")
