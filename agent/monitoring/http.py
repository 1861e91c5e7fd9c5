"""HTTP requests with a time limit and one kind of error, which names the server, the URL and a remedy.

A redirect is an error: it leads to a login page, or to a server that must not receive the secrets.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import aiohttp
from pydantic import TypeAdapter, ValidationError

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring import refusal
from alertdrill.units import json_text
from alertdrill.units.http_body import MOST_VALUES, BodyTooLong, read_body
from alertdrill.units.secrecy import without

_Shape = TypeVar("_Shape")


class NotServed(ServiceUnavailable):
    """The server answers, but does not have the page."""


class RequestRefused(ServiceUnavailable):
    """The server understood the request and refused it; `reason` is its own explanation."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


class MonitoringClient:
    """Sends requests to one server; messages call it `name`.

    As a context manager it keeps its connections for the length of the block. Without one, each request opens a
    connection of its own.
    """

    def __init__(self, name: str, server: MonitoringServer) -> None:
        self._name = name
        self._server = server
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._make_session()
        return self

    async def __aexit__(self, *_: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await _close(session)

    async def text(self, path: str, params: Mapping[str, str] | None = None) -> str:
        """Return an answer as text; raises NotServed or ServiceUnavailable."""
        return (await self._ask("GET", path, params)).decode(errors="replace")

    async def json(self, path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return an answer as JSON; raises NotServed or ServiceUnavailable."""
        return self._read(path, await self._ask("GET", path, params))

    async def send(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Send JSON, and return the answer's JSON if it has any; raises NotServed or ServiceUnavailable."""
        answer = await self._ask(method, path, None, body)
        return self._read(path, answer) if answer else None

    def _read(self, path: str, body: bytes) -> Any:  # noqa: ANN401 - JSON
        try:
            return json_text.parse(body, MOST_VALUES)
        except ValueError as error:
            if refusal.is_page(body):
                fault = "a web page, expected JSON: is that a login, or is the path of `url` wrong?"
            else:
                fault = f"invalid JSON, perhaps it was cut off: {refusal.short_line(str(error))}"
            raise ServiceUnavailable(f"{self._at(path)} answered with {fault}") from error

    def shaped(self, path: str, adapter: TypeAdapter[_Shape], value: object) -> _Shape:
        """Validate an answer; raises ServiceUnavailable with the first place that is wrong."""
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "answer"
            raise self.strange(path, f"{where}: {first['msg'].removeprefix('Value error, ')}") from error

    def strange(self, path: str, what: str) -> ServiceUnavailable:
        """Return the error for an unexpected answer."""
        return ServiceUnavailable(
            f"{self._at(path)} did not answer as {self._name} does: {refusal.short_line(what)}; is `url` right?"
        )

    def _at(self, path: str) -> str:
        return f"{self._name} at {self._server.url}{path}"

    async def _ask(self, method: str, path: str, params: Mapping[str, str] | None, content: object = None) -> bytes:
        try:
            async with (
                self._opened() as session,
                session.request(
                    method,
                    self._server.url + path,
                    params=params,
                    json=content,
                    allow_redirects=False,
                    server_hostname=self._server.tls.server_name if self._speaks_tls() else None,
                ) as response,
            ):
                body = await read_body(response)
        except BodyTooLong as error:
            raise ServiceUnavailable(f"{self._at(path)}: {error}; is `url` right?") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = refusal.unreachable(error, self._server)
            raise ServiceUnavailable(f"{self._name} cannot be reached: {self._server.url}{path}: {reason}") from error
        if response.status >= 300:
            raise self._refused(path, params, response, body)
        return body

    def _refused(
        self, path: str, params: Mapping[str, str] | None, response: aiohttp.ClientResponse, body: bytes
    ) -> ServiceUnavailable:
        # Some servers repeat what they were sent.
        told = without(body.decode(errors="replace"), self._server.sent_headers().values())
        reason = refusal.excerpt(told.encode(errors="replace"))
        remedy = refusal.remedy(response.status, response.headers.get("Location", ""), reason, self._server)
        query = f" to {refusal.short_line(params['query'])}" if params and "query" in params else ""
        parts = "; ".join(part for part in (reason, remedy) if part) or "and nothing else"
        text = f"{self._at(path)} answered {response.status}{query}: {parts}"
        if response.status in {400, 422}:
            return RequestRefused(text, reason)
        return NotServed(text) if response.status in {404, 405, 501} else ServiceUnavailable(text)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[aiohttp.ClientSession]:
        if self._session is not None:
            yield self._session
            return
        session = self._make_session()
        try:
            yield session
        finally:
            await _close(session)

    def _make_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers=self._server.sent_headers(),
            connector=aiohttp.TCPConnector(ssl=self._trust() if self._speaks_tls() else True),
            timeout=aiohttp.ClientTimeout(total=self._server.timeout.total_seconds()),
        )

    def _speaks_tls(self) -> bool:
        return self._server.url.startswith("https:")

    def _trust(self) -> ssl.SSLContext:
        try:
            return self._server.tls.context()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ServiceUnavailable(f"{self._at('')}: the files of its `tls` cannot be used: {reason}") from error


async def _close(session: aiohttp.ClientSession) -> None:
    await session.close()
    # aiohttp closes TLS connections a moment later.
    await asyncio.sleep(0)
