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
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from alertdrill.chaos.toxiproxy.embedded import VERSION
from alertdrill.chaos.toxiproxy.embedded.collection import Collection
from alertdrill.chaos.toxiproxy.embedded.errors import ApiError
from alertdrill.chaos.toxiproxy.embedded.http_server import Response, ToxiproxyRequest
from alertdrill.chaos.toxiproxy.embedded.metrics import CONTENT_TYPE, Metrics
from alertdrill.chaos.toxiproxy.embedded.proxy import Proxy

_ANSWER_WITHIN_SECONDS = 25.0
_VERSION = f'{{"version": "{VERSION}"}}\n'.encode()
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}

# The names in the path, and the body.
Handler = Callable[[tuple[str, ...], bytes], Awaitable[Response]]


class ToxiproxyApi:
    """The API over a collection of proxies, with /metrics if there are any."""

    def __init__(self, collection: Collection, metrics: Metrics | None) -> None:
        self._collection = collection
        self._metrics = metrics
        # Tasks outlive a request that timed out: a change is always completed.
        self._tasks: set[asyncio.Future[Response]] = set()
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

    async def answer(self, request: ToxiproxyRequest) -> Response:
        """Answer a request."""
        if (request.method, request.path) == ("OPTIONS", "*"):
            return Response(200, headers={"Content-Length": "0"})
        path = unquote(request.path)
        if path != (clean := _clean(path)):
            return Response(301, headers={"Location": request.origin + quote(clean) + request.query})
        if path == "/metrics" and self._metrics is not None:
            return await self._handle(request, self._show_metrics, ())
        for pattern, methods in self._routes.items():
            match = re.fullmatch(pattern, path)
            if match is not None and request.method in methods:
                return await self._handle(request, methods[request.method], match.groups())
            if match is not None:
                return Response(405)
        return Response(404, b"404 page not found\n", _TEXT)

    async def _handle(self, request: ToxiproxyRequest, handler: Handler, names: tuple[str, ...]) -> Response:
        if request.user_agent.startswith("Mozilla/"):
            return _identified(Response(403, b"User agent not allowed\n", _TEXT))
        task = asyncio.ensure_future(_answer(handler, names, await request.read_body()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_SECONDS):
                return _identified(await asyncio.shield(task))
        except TimeoutError:
            return _identified(Response(503))

    async def _show_metrics(self, _: tuple[str, ...], __: bytes) -> Response:
        text = "" if self._metrics is None else self._metrics.text()
        return Response(200, text.encode(), {"Content-Type": CONTENT_TYPE})

    async def _version(self, _: tuple[str, ...], __: bytes) -> Response:
        return Response(200, _VERSION, {"Content-Type": "application/json;charset=utf-8"})

    async def _reset(self, _: tuple[str, ...], __: bytes) -> Response:
        await self._collection.reset()
        return Response(204)

    async def _list_proxies(self, _: tuple[str, ...], __: bytes) -> Response:
        return _json({name: proxy.as_json() for name, proxy in sorted(self._collection.proxies.items())})

    async def _create_proxy(self, _: tuple[str, ...], body: bytes) -> Response:
        return _json((await self._collection.create(body)).as_json(), 201)

    async def _populate(self, _: tuple[str, ...], body: bytes) -> Response:
        proxies: list[Proxy] = []
        try:
            await self._collection.populate(body, proxies)
        except ApiError as error:
            return _json(error.as_json() | {"proxies": _shown(proxies)}, error.status)
        return _json({"proxies": _shown(proxies)}, 201)

    async def _show_proxy(self, names: tuple[str, ...], _: bytes) -> Response:
        return _json(self._collection.get(names[0]).as_json())

    async def _update_proxy(self, names: tuple[str, ...], body: bytes) -> Response:
        return _json((await self._collection.update(names[0], body)).as_json())

    async def _delete_proxy(self, names: tuple[str, ...], _: bytes) -> Response:
        await self._collection.delete(names[0])
        return Response(204)

    async def _list_toxics(self, names: tuple[str, ...], _: bytes) -> Response:
        toxics = self._collection.get(names[0]).chain.all()
        return _json([toxic.as_json() for toxic in toxics])

    async def _create_toxic(self, names: tuple[str, ...], body: bytes) -> Response:
        return _json((await self._collection.get(names[0]).chain.add(body)).as_json())

    async def _show_toxic(self, names: tuple[str, ...], _: bytes) -> Response:
        return _json(self._collection.get(names[0]).chain.get(names[1]).as_json())

    async def _update_toxic(self, names: tuple[str, ...], body: bytes) -> Response:
        return _json((await self._collection.get(names[0]).chain.update(names[1], body)).as_json())

    async def _delete_toxic(self, names: tuple[str, ...], _: bytes) -> Response:
        await self._collection.get(names[0]).chain.remove(names[1])
        return Response(204)


async def _answer(handler: Handler, names: tuple[str, ...], body: bytes) -> Response:
    try:
        return await handler(names, body)
    except ApiError as error:
        return Response(error.status, f"{_compact(error.as_json())}\n".encode(), _TEXT)


def _json(value: object, status: int = 200) -> Response:
    return Response(status, _compact(value).encode(), {"Content-Type": "application/json"})


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _shown(proxies: list[Proxy]) -> list[dict[str, Any]] | None:
    return [proxy.as_json() for proxy in proxies] or None


def _clean(path: str) -> str:
    """Resolve `//`, `.` and `..`; a slash at the end stays."""
    clean = "/" + posixpath.normpath(f"/{path}").lstrip("/")
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _identified(response: Response) -> Response:
    """Add a request id that sorts by time, like those of the real server (rs/xid)."""
    unique = int(time.time()).to_bytes(4, "big") + secrets.token_bytes(8)
    identity = base64.b32hexencode(unique).decode().rstrip("=").lower()
    return replace(response, headers={**response.headers, "X-Toxiproxy-Request-Id": identity})
