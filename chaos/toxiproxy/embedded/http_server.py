"""HTTP/1.1 for the API: h11 reads and writes the messages; the limits are those of Go, in which the real server is written."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

import h11

_IDLE_SECONDS = 60.0
_READ_WITHIN_SECONDS = 15.0
_WRITE_WITHIN_SECONDS = 30.0
_MOST_BYTES_OF_A_HEAD = 1024 * 1024 + 4096
_MOST_BYTES_OF_A_READ = 4096  # a head may be larger than that limit by one read
_CHUNKED_FROM_BYTES = 2049
_READ_ON_SECONDS = 0.5
_BROKEN_OFF = {h11.SEND_BODY, h11.ERROR}

_TARGET = re.compile(
    r"(?:(?P<origin>[A-Za-z][A-Za-z0-9+.-]*://[^/?]*)|(?=/|\*$))"
    r"(?P<path>\*|(?:/(?:[^?%]|%[0-9A-Fa-f]{2})*)?)(?P<query>(?:\?.*)?)"
)
# h11 lets both pass.
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BAD_HOST = re.compile(r"[ \t\"/<>?\\]")
_CONTINUE = h11.InformationalResponse(status_code=100, reason="Continue", headers=[])


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ToxiproxyRequest:
    """A request; `origin` is the scheme and the host of an absolute address, and `query` begins with `?`."""

    method: str
    origin: str
    path: str
    query: str
    user_agent: str
    read_body: Callable[[], Awaitable[bytes]]


Answer = Callable[[ToxiproxyRequest], Awaitable[Response]]


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Answer the requests of one connection until either side ends it."""
    connection = _Connection(reader, writer)
    try:
        # The client may be gone, or silent.
        with suppress(OSError):
            while await connection.serve_request(answer):
                pass
    except Exception:
        logging.getLogger(__name__).exception("a request failed")
    finally:
        writer.close()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, _MOST_BYTES_OF_A_HEAD)
        self._read_until = 0.0

    async def serve_request(self, answer: Answer) -> bool:
        """Read a request and answer it; returns whether another may follow, and raises TimeoutError."""
        method = ""
        try:
            if (request := await self._read_request()) is None:
                return False
            method = request.method
            response = await answer(request)
        except h11.RemoteProtocolError as error:
            text = f"{error.error_status_hint} {HTTPStatus(error.error_status_hint).phrase}"
            response = Response(error.error_status_hint, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
        else:
            # A client that waits for a word does not send its body without it.
            if not self._http.they_are_waiting_for_100_continue:
                await self._read_body()
        self._write(response, method)
        async with asyncio.timeout(_WRITE_WITHIN_SECONDS):
            await self._writer.drain()
        if self._http.their_state in _BROKEN_OFF:
            # To close while data arrives would be a reset, which can overtake the answer.
            self._writer.write_eof()
            async with asyncio.timeout(_READ_ON_SECONDS):
                while await self._reader.read(_MOST_BYTES_OF_A_READ):
                    pass
        if may_follow := set(self._http.states.values()) == {h11.DONE}:
            self._http.start_next_cycle()
        return may_follow

    async def _read_request(self) -> ToxiproxyRequest | None:
        """Read the head of a request; returns None at the end of the stream, and raises RemoteProtocolError."""
        if not self._http.trailing_data[0]:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._read()
        self._read_until = asyncio.get_running_loop().time() + _READ_WITHIN_SECONDS
        async with asyncio.timeout_at(self._read_until):
            event = await self._next_event()
        return _request(event, self._read_body) if isinstance(event, h11.Request) else None

    async def _read_body(self) -> bytes:
        """Read the body; of one that breaks off, return the beginning."""
        if self._http.they_are_waiting_for_100_continue:
            self._writer.write(self._http.send(_CONTINUE))
        received = bytearray()
        with suppress(h11.RemoteProtocolError, TimeoutError):
            async with asyncio.timeout_at(self._read_until):
                while self._http.their_state is h11.SEND_BODY:
                    event = await self._next_event()
                    received += event.data if isinstance(event, h11.Data) else b""
        return bytes(received)

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            await self._read()
        return event

    async def _read(self) -> None:
        data = await self._reader.read(_MOST_BYTES_OF_A_READ)
        if self._http.their_state is h11.IDLE:
            # curl sends a path as it was typed, and h11 wants it quoted. In a header it changes nothing that is used.
            line, newline, rest = data.partition(b"\n")
            data = quote(line, safe=bytes(range(128))).encode() + newline + rest
        self._http.receive_data(data)

    def _write(self, response: Response, method: str) -> None:
        headers = {**response.headers, "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())}
        # Without a length h11 sends chunks.
        if response.status != HTTPStatus.NO_CONTENT and len(response.body) < _CHUNKED_FROM_BYTES:
            headers["Content-Length"] = str(len(response.body))
        if self._http.their_state in _BROKEN_OFF:
            headers["Connection"] = "close"
        reason = HTTPStatus(response.status).phrase
        head = h11.Response(status_code=response.status, reason=reason, headers=list(headers.items()))
        body = h11.Data(b"" if method == "HEAD" else response.body)
        self._writer.writelines(self._http.send(event) or b"" for event in (head, body, h11.EndOfMessage()))


def _request(head: h11.Request, read_body: Callable[[], Awaitable[bytes]]) -> ToxiproxyRequest:
    # Of equal names the first counts.
    headers = {name.decode(): value.decode("latin-1") for name, value in reversed(head.headers)}
    if not head.http_version.startswith(b"1."):
        raise h11.RemoteProtocolError("another version", 505)
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise h11.RemoteProtocolError("an unknown expectation", 417)
    if any(map(_BAD_VALUE.search, headers.values())) or _BAD_HOST.search(headers.get("host", "")):
        raise h11.RemoteProtocolError("a malformed header")
    found = _TARGET.fullmatch(target := head.target.decode())
    if found is None and head.method != b"CONNECT":
        raise h11.RemoteProtocolError("a malformed target")
    origin, path, query = found.groups("") if found else (f"//{target}", "", "")
    return ToxiproxyRequest(head.method.decode(), origin, path, query, headers.get("user-agent", ""), read_body)
