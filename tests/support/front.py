"""A proxy before a real API server: it refuses some requests, loses some answers, and passes on all others."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

_UNLIMITED = aiohttp.ClientTimeout()
_ASKED_WITH = ("Authorization", "Content-Type", "Accept", "Accept-Encoding")
_ANSWERED_WITH = ("Content-Type", "Content-Encoding", "Retry-After")

Refuse = Callable[[web.Request], web.Response | None]
Lose = Callable[[web.Request], bool]


class Front:
    """The proxy on a port of its own.

    `asked` has the method and the path with its query of each request, and `answered` how often the API server answered
    with each status. `refuse` gives the answer to a request that is not passed on, and `lose` says whether the answer to
    one is lost. While `away` is set, every connection is closed as soon as it asks for something.
    """

    def __init__(self, upstream: str, authority: Path) -> None:
        self._upstream = upstream
        self._tls = ssl.create_default_context(cafile=authority)
        self.url = ""
        self.asked: list[str] = []
        self.answered: Counter[int] = Counter()
        self.refuse: Refuse = lambda _: None
        self.lose: Lose = lambda _: False
        self.away = False
        self.most_at_once = 0
        self._at_once = 0

    def count(self, method: str, part: str) -> int:
        """Count the requests with a method and a part of the path or the query."""
        return sum(one.startswith(f"{method} ") and part in one for one in self.asked)

    def before(self, kubeconfig: Path) -> None:
        """Let the user of a kubeconfig speak to this proxy instead of the API server."""
        kubeconfig.write_text(kubeconfig.read_text().replace(self._upstream, self.url))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Front]:
        """Serve for the length of the block."""
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._serve)
        server = TestServer(application)
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=_UNLIMITED, auto_decompress=False) as session:
            self._session = session
            await server.start_server()
            self.url = str(server.make_url("/")).rstrip("/")
            try:
                yield self
            finally:
                await server.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        if self.away:
            return _cut(request)
        if refusal := self.refuse(request):
            return refusal
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await self._passed_on(request)
        except (aiohttp.ClientError, ConnectionError):
            return _cut(request)
        finally:
            self._at_once -= 1

    async def _passed_on(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _ASKED_WITH if name in request.headers}
        body = await request.read()
        url = self._upstream + request.path_qs
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            self.answered[answer.status] += 1
            if self.lose(request):
                await answer.read()
                return _cut(request)
            kept = {name: answer.headers[name] for name in _ANSWERED_WITH if name in answer.headers}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def every_other(refusal: Callable[[], web.Response], part: str, method: str) -> Refuse:
    """Refuse the first request with a method and a part of the path, the third, and so on."""
    seen = 0

    def refuse(request: web.Request) -> web.Response | None:
        nonlocal seen
        if request.method != method or part not in request.path:
            return None
        seen += 1
        return refusal() if seen % 2 else None

    return refuse


def first_of_each(method: str, part: str) -> Lose:
    """Lose the answer to the first request with a method for each path with some part."""
    seen: set[str] = set()

    def lose(request: web.Request) -> bool:
        is_first = request.method == method and part in request.path and request.path not in seen
        seen.update([request.path] if is_first else [])
        return is_first

    return lose


async def away_for(front: Front, seconds: float) -> None:
    """Be away for some seconds, as an API server that restarts."""
    front.away = True
    await asyncio.sleep(seconds)
    front.away = False
