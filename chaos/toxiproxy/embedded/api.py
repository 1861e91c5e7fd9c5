"""The HTTP API: paths, methods, status codes, headers and bodies of the real server."""

from __future__ import annotations

import asyncio
import base64
import json
import posixpath
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

from alertdrill.chaos.toxiproxy.embedded import VERSION
from alertdrill.chaos.toxiproxy.embedded.collection import Collection
from alertdrill.chaos.toxiproxy.embedded.errors import ApiError
from alertdrill.chaos.toxiproxy.embedded.metrics import CONTENT_TYPE, Metrics
from alertdrill.chaos.toxiproxy.embedded.proxy import Proxy

_ANSWER_WITHIN_SECONDS = 25.0
_CHUNKED_FROM_BYTES = 2049
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}

# The names in the path, and the body.
Handler = Callable[[tuple[str, ...], bytes], Awaitable[web.Response]]


class ToxiproxyApi:
    """The API over a collection of proxies, with /metrics if there are any."""

    def __init__(self, collection: Collection, metrics: Metrics | None) -> None:
        self._collection = collection
        self._metrics = metrics
        # Tasks outlive a request that timed out: a change is always completed.
        self._tasks: set[asyncio.Future[web.Response]] = set()
        self._routes: dict[str, dict[str, Handler]] = {
            "/reset": {"POST": self._reset},
            "/proxies": {"GET": self._list_proxies, "POST": self._create_proxy},
            "/populate": {"POST": self._populate},
            "/proxies/([^/]+)": {
                "GET": self._show_proxy,
                "POST": self._update_proxy,
                "PATCH": self._update_proxy,
                "DELETE": self._delete_proxy,
            },
            "/proxies/([^/]+)/toxics": {"GET": self._list_toxics, "POST": self._create_toxic},
            "/proxies/([^/]+)/toxics/([^/]+)": {
                "GET": self._show_toxic,
                "POST": self._update_toxic,
                "PATCH": self._update_toxic,
                "DELETE": self._delete_toxic,
            },
            "/version": {"GET": self._version},
        }

    def application(self) -> web.Application:
        """Make the application; bodies have no size limit."""
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._serve)
        app.on_response_prepare.append(_tidy_headers)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        raw, mark, query = request.raw_path.partition("?")
        path = unquote(raw)
        if path != (clean := _clean(path)):
            return web.Response(status=301, headers={"Location": quote(clean) + mark + query})
        if path == "/metrics" and self._metrics is not None:
            return await self._handle(request, self._show_metrics, ())
        for pattern, methods in self._routes.items():
            match = re.fullmatch(pattern, path)
            if match is not None and request.method in methods:
                return await self._handle(request, methods[request.method], match.groups())
            if match is not None:
                return web.Response(status=405)
        return web.Response(status=404, text="404 page not found\n", headers=_TEXT)

    async def _handle(self, request: web.Request, handler: Handler, names: tuple[str, ...]) -> web.Response:
        if request.headers.get("User-Agent", "").startswith("Mozilla/"):
            return _identified(web.Response(status=403, text="User agent not allowed\n", headers=_TEXT))
        task = asyncio.ensure_future(_answer(handler, names, await request.read()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return _identified(await asyncio.wait_for(asyncio.shield(task), _ANSWER_WITHIN_SECONDS))
        except TimeoutError:
            return _identified(web.Response(status=503))

    async def _show_metrics(self, _: tuple[str, ...], __: bytes) -> web.Response:
        text = "" if self._metrics is None else self._metrics.text()
        return web.Response(text=text, headers={"Content-Type": CONTENT_TYPE})

    async def _version(self, _: tuple[str, ...], __: bytes) -> web.Response:
        headers = {"Content-Type": "application/json;charset=utf-8"}
        return web.Response(text=f'{{"version": "{VERSION}"}}\n', headers=headers)

    async def _reset(self, _: tuple[str, ...], __: bytes) -> web.Response:
        await self._collection.reset()
        return web.Response(status=204)

    async def _list_proxies(self, _: tuple[str, ...], __: bytes) -> web.Response:
        return _json({name: proxy.as_json() for name, proxy in sorted(self._collection.proxies.items())})

    async def _create_proxy(self, _: tuple[str, ...], body: bytes) -> web.Response:
        return _json((await self._collection.create(body)).as_json(), 201)

    async def _populate(self, _: tuple[str, ...], body: bytes) -> web.Response:
        proxies: list[Proxy] = []
        try:
            await self._collection.populate(body, proxies)
        except ApiError as error:
            return _json(error.as_json() | {"proxies": _shown(proxies)}, error.status)
        return _json({"proxies": _shown(proxies)}, 201)

    async def _show_proxy(self, names: tuple[str, ...], _: bytes) -> web.Response:
        return _json(self._collection.get(names[0]).as_json())

    async def _update_proxy(self, names: tuple[str, ...], body: bytes) -> web.Response:
        return _json((await self._collection.update(names[0], body)).as_json())

    async def _delete_proxy(self, names: tuple[str, ...], _: bytes) -> web.Response:
        await self._collection.delete(names[0])
        return web.Response(status=204)

    async def _list_toxics(self, names: tuple[str, ...], _: bytes) -> web.Response:
        toxics = self._collection.get(names[0]).chain.all()
        return _json([toxic.as_json() for toxic in toxics])

    async def _create_toxic(self, names: tuple[str, ...], body: bytes) -> web.Response:
        return _json((await self._collection.get(names[0]).chain.add(body)).as_json())

    async def _show_toxic(self, names: tuple[str, ...], _: bytes) -> web.Response:
        return _json(self._collection.get(names[0]).chain.get(names[1]).as_json())

    async def _update_toxic(self, names: tuple[str, ...], body: bytes) -> web.Response:
        return _json((await self._collection.get(names[0]).chain.update(names[1], body)).as_json())

    async def _delete_toxic(self, names: tuple[str, ...], _: bytes) -> web.Response:
        await self._collection.get(names[0]).chain.remove(names[1])
        return web.Response(status=204)


async def _answer(handler: Handler, names: tuple[str, ...], body: bytes) -> web.Response:
    try:
        return await handler(names, body)
    except ApiError as error:
        return web.Response(status=error.status, text=f"{_compact(error.as_json())}\n", headers=_TEXT)


def _json(value: object, status: int = 200) -> web.Response:
    body = _compact(value).encode()
    response = web.Response(body=body, status=status, headers={"Content-Type": "application/json"})
    if len(body) >= _CHUNKED_FROM_BYTES:
        response.enable_chunked_encoding()
    return response


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _shown(proxies: list[Proxy]) -> list[dict[str, Any]] | None:
    return [proxy.as_json() for proxy in proxies] or None


def _clean(path: str) -> str:
    """Resolve `//`, `.` and `..`; a slash at the end stays."""
    clean = "/" + posixpath.normpath(path).lstrip("/")
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _identified(response: web.Response) -> web.Response:
    """Add a request id that sorts by time, like those of the real server (rs/xid)."""
    unique = int(time.time()).to_bytes(4, "big") + secrets.token_bytes(8)
    response.headers["X-Toxiproxy-Request-Id"] = base64.b32hexencode(unique).decode().rstrip("=").lower()
    return response


async def _tidy_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
    if response.status in {204, 301, 405, 503}:
        response.headers.pop("Content-Type", None)
