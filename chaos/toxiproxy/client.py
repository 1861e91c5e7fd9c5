"""The only file that speaks to a Toxiproxy server.

It works on one toxic or one proxy at a time, by name, and never calls /reset or /populate: a server is often shared, so
the proxies and toxics of others are left alone. Every request has a time limit, because an undo must end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.machine.sockets import own_address
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.units import json_text
from alertdrill.units.http_body import BodyTooLong, read_body

_LIMIT = aiohttp.ClientTimeout(total=5.0)
_MOST_BYTES = 8 * 2**20
_MOST_VALUES = 500_000


class ToxiproxyError(Exception):
    """The server refused, or could not be reached; `status` is None when it did not answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class ToxicName(NamedTuple):
    """A toxic, by its proxy and its name."""

    proxy: str
    name: str


class Toxiproxy:
    """A Toxiproxy server at a URL. API: https://github.com/Shopify/toxiproxy#http-api."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    async def proxies(self) -> dict[str, bool]:
        """Return for each proxy whether it is enabled; raises ToxiproxyError."""
        found = await self._call("GET", "/proxies")
        with self._shaped("/proxies"):
            return {name: bool(proxy["enabled"]) for name, proxy in sorted(found.items())}

    async def toxics(self) -> list[ToxicName]:
        """Return every toxic of every proxy; raises ToxiproxyError."""
        found = await self._call("GET", "/proxies")
        with self._shaped("/proxies"):
            return [
                ToxicName(name, str(toxic["name"]))
                for name, proxy in sorted(found.items())
                for toxic in proxy["toxics"]
            ]

    async def listen_port(self, proxy: str) -> int | None:
        """Return the port of this machine on which a proxy listens; None if there is none. Raises ToxiproxyError."""
        if await in_thread(own_address, urlsplit(self.url).hostname or "") is None:
            return None
        path = f"/proxies/{quote(proxy)}"
        found = await self._call("GET", path)
        with self._shaped(path):
            port = found["listen"].rpartition(":")[2]
        # A proxy that was never enabled keeps its address as it was given, such as `localhost:0` or `:postgresql`.
        return int(port) or None if port.isdecimal() else None

    async def add_toxic(self, proxy: str, toxic: dict[str, Any]) -> None:
        """Add a toxic to a proxy and confirm that the server has it as requested.

        Raises ToxiproxyError (404: no such proxy, 409: the name is taken).
        """
        await self._call("POST", f"/proxies/{quote(proxy)}/toxics", toxic)
        path = _toxic_path(proxy, toxic["name"])
        found = await self._call("GET", path)
        for name, value in toxic.items():
            with self._shaped(path):
                has = found.get(name)
            if not _same(has, value):
                raise ToxiproxyError(f"toxic {toxic['name']} of proxy {proxy} has {name} {has!r}, expected {value!r}")

    async def lost_toxic(self, proxy: str, toxic: dict[str, Any]) -> str:
        """Return why a toxic is not as it was added; empty if it is, or if the server does not answer."""
        try:
            changed = await self.changed_values(proxy, toxic)
        except ToxiproxyError:
            return ""
        if changed is None:
            return f"the toxic {toxic['name']} is gone from Toxiproxy: it was removed, or Toxiproxy was restarted"
        return f"the toxic {toxic['name']} has other {changed[0]} than it was added with" if changed else ""

    async def changed_values(self, proxy: str, toxic: dict[str, Any]) -> list[str] | None:
        """Name the values of a toxic that differ from those it was added with; None when there is no such toxic.

        Raises ToxiproxyError.
        """
        path = _toxic_path(proxy, toxic["name"])
        try:
            found = await self._call("GET", path)
        except ToxiproxyError as error:
            if error.status != 404:
                raise
            return None
        with self._shaped(path):
            return [name for name, value in toxic.items() if not _same(found.get(name), value)]

    async def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic and confirm that it is gone; a toxic that is gone already is not an error."""
        path = _toxic_path(proxy, name)
        for method, expected in (("DELETE", "gone"), ("GET", "absent")):
            try:
                await self._call(method, path)
            except ToxiproxyError as error:
                if error.status != 404:
                    raise
            else:
                if expected == "absent":
                    raise ToxiproxyError(f"toxic {name} of proxy {proxy} is still there after its removal")

    async def enable(self, proxy: str, *, enabled: bool) -> None:
        """Enable or disable a proxy and confirm it; raises ToxiproxyError (404: no such proxy)."""
        path, body = f"/proxies/{quote(proxy)}", {"enabled": enabled}
        try:
            await self._call("PATCH", path, body)
        except ToxiproxyError as error:
            if error.status not in {404, 405}:
                raise
            # Servers before 2.6 do not support PATCH.
            await self._call("POST", path, body)
        found = await self._call("GET", path)
        with self._shaped(path):
            has = found["enabled"]
        if has is not enabled:
            raise ToxiproxyError(f"proxy {proxy} has enabled {has!r}, expected {enabled!r}")

    async def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        url = self.url + path
        try:
            async with (
                aiohttp.ClientSession(timeout=_LIMIT) as session,
                session.request(method, url, json=body) as response,
            ):
                content = await read_body(response, _MOST_BYTES)
        except BodyTooLong as error:
            raise ToxiproxyError(f"{method} {url}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise ToxiproxyError(f"Toxiproxy at {self.url} cannot be reached: {reason}") from error
        if response.status >= 400:
            text = content.decode(errors="replace").strip()
            raise ToxiproxyError(f"{method} {url}: {response.status} {text}", response.status)
        return _parsed(content, f"{method} {url}") if content else None

    @contextmanager
    def _shaped(self, path: str) -> Iterator[None]:
        try:
            yield
        except (AttributeError, KeyError, TypeError) as error:
            raise ToxiproxyError(f"{self.url}{path} did not answer as Toxiproxy does; is the url right?") from error


def _parsed(content: bytes, request: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json_text.parse(content, _MOST_VALUES)
    except ValueError as error:
        raise ToxiproxyError(f"{request}: the answer is not JSON: {error}") from error


def toxic_url(server_url: str, proxy: str, name: str) -> str:
    """Return the URL of a toxic."""
    return server_url.rstrip("/") + _toxic_path(proxy, name)


def _toxic_path(proxy: str, name: str) -> str:
    return f"/proxies/{quote(proxy)}/toxics/{quote(name)}"


def _same(found: object, requested: object) -> bool:
    """Compare a value of the server with the requested one; the server keeps toxicity in 32 bits."""
    if isinstance(requested, float) and isinstance(found, int | float):
        return math.isclose(found, requested, rel_tol=1e-6)
    return found == requested


async def require_proxy(server: Toxiproxy, proxy: str) -> bool:
    """Return whether a proxy is enabled; raises FaultNotApplied with the existing proxies when there is no such proxy."""
    try:
        proxies = await server.proxies()
    except ToxiproxyError as error:
        raise FaultNotApplied(str(error)) from error
    if proxy not in proxies:
        raise FaultNotApplied(
            f"Toxiproxy at {server.url} has no proxy {proxy!r}, expected one of: {', '.join(proxies) or 'none'}"
        )
    return proxies[proxy]
