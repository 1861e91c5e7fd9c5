"""The only file that speaks to a Toxiproxy server.

It works on one toxic at a time, by name: a server is often shared, so nothing here touches what
somebody else made. Every request has a time limit, because an undo must end.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

from chaos.errors import FaultNotApplied

_LIMIT = aiohttp.ClientTimeout(total=5.0)


class ToxiproxyError(Exception):
    """The server refused, or could not be reached; `status` is None when it did not answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class Toxiproxy:
    """A Toxiproxy server at a URL. API: https://github.com/Shopify/toxiproxy#http-api."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    async def proxy_names(self) -> list[str]:
        """List the proxies; raises ToxiproxyError."""
        return sorted(await self._call("GET", "/proxies"))

    async def add_toxic(self, proxy: str, toxic: dict[str, Any]) -> None:
        """Add a toxic to a proxy; raises ToxiproxyError (404: no such proxy, 409: the name is taken)."""
        await self._call("POST", f"/proxies/{quote(proxy)}/toxics", toxic)

    async def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic and confirm that it is gone; one that is gone already is no error."""
        path = f"/proxies/{quote(proxy)}/toxics/{quote(name)}"
        for method, expected in (("DELETE", "gone"), ("GET", "absent")):
            try:
                await self._call(method, path)
            except ToxiproxyError as error:
                if error.status != 404:
                    raise
            else:
                if expected == "absent":
                    raise ToxiproxyError(f"toxic {name} of proxy {proxy} is still there after its removal")

    async def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        url = self.url + path
        try:
            async with (
                aiohttp.ClientSession(timeout=_LIMIT) as session,
                session.request(method, url, json=body) as response,
            ):
                if response.status >= 400:
                    text = (await response.text()).strip()
                    raise ToxiproxyError(f"{method} {url}: {response.status} {text}", response.status)
                return await response.json(content_type=None) if response.status != 204 else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ToxiproxyError(f"Toxiproxy at {self.url} cannot be reached: {reason}") from error


async def require_proxy(server: Toxiproxy, proxy: str) -> None:
    """Make sure that a proxy exists; raises FaultNotApplied naming those that do."""
    try:
        names = await server.proxy_names()
    except ToxiproxyError as error:
        raise FaultNotApplied(str(error)) from error
    if proxy not in names:
        raise FaultNotApplied(f"Toxiproxy at {server.url} has no proxy {proxy!r}, expected one of: {', '.join(names)}")
