"""One HTTP/1.1 connection: an asyncio protocol around httptools' parser (llhttp), one exchange at a time.

The parser calls only the methods that a protocol has, so the plain connection looks at the status alone,
and `ReadingConnection` also keeps headers and body, for the checks that want them.

Rules of RFC 9112 that are kept here: answers of 1xx come before the answer and are passed over; the answer to
HEAD has no body; an answer without a length ends with the connection; bytes that nobody asked for make the
connection useless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from alertdrill.probes.outcome import Reason

_LONGEST_HEAD_BYTES = 64 * 1024
LONGEST_BODY_BYTES = 16 * 1024 * 1024


class BodyTooLong(Exception):
    """The body is longer than what is kept for checks."""

    def __str__(self) -> str:
        return f"the body is longer than {LONGEST_BODY_BYTES // 1024**2} MiB, too long to check"


class Keeper(Protocol):
    """Who a connection belongs to between its exchanges: a pool."""

    def finish(self, exchange: Exchange, reason: Reason | None, reusable: Connection | None) -> None:
        """Take an exchange's connection back, if it can be used again, and tell of its end."""
        ...


class Connection(asyncio.Protocol):
    """A connection of a pool; it belongs to at most one exchange, and else is idle or closed."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self.exchange: Exchange | None = None
        self.is_closed = False
        self.closed_early: tuple[Reason, str] = "reset", "the server closed the connection before the request"
        self.idle_until = 0.0
        self._complete = False
        self._unasked = False
        self._in_body = False
        self._keeps_alive = False
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio calls this."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class, only by its methods

    def begin(self, exchange: Exchange) -> None:
        """Send the exchange's request; the connection must be idle."""
        self.exchange = exchange
        exchange.connection = self
        self._complete = self._unasked = self._in_body = False
        self._transport.write(exchange.request)

    def close(self) -> None:
        """Close at once, without a word to the exchange."""
        self.exchange = None
        self.is_closed = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse a piece of the answer; asyncio calls this."""
        exchange = self.exchange
        if exchange is None:
            self.closed_early = "bad_answer", "the server spoke before the request"
            self.close()  # an idle connection that speaks cannot be trusted with a request
            return
        if not self._in_body:
            self._head += data
        try:
            if len(self._head) > _LONGEST_HEAD_BYTES and not self._in_body:
                self._feed_long(data)
            else:
                self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("bad_answer", "the server switched to another protocol")
            return
        except httptools.HttpParserError as error:
            self._fail("bad_answer", self._explain(error))
            return
        if self._complete:
            self._succeed(exchange)
        elif not self._in_body and len(self._head) >= _LONGEST_HEAD_BYTES:
            self._fail("bad_answer", f"the answer's head is longer than {_LONGEST_HEAD_BYTES // 1024} KiB")

    def _explain(self, error: httptools.HttpParserError) -> str:
        if self._complete:
            return "the server sent more than its one answer"
        return str(error.__context__) if isinstance(error.__context__, BodyTooLong) else f"not HTTP/1.1: {error}"

    def _feed_long(self, data: bytes) -> None:
        """Give the parser no more of a head than is allowed, whatever the pieces are that it comes in."""
        beyond = len(self._head) - _LONGEST_HEAD_BYTES
        self._parser.feed_data(data[:-beyond])
        if self._in_body:
            self._parser.feed_data(data[-beyond:])

    def on_message_begin(self) -> None:
        """See whether an answer begins that nobody asked for; the parser calls this."""
        if self._complete:
            self._unasked = True

    def on_headers_complete(self) -> None:
        """See where the body begins; the parser calls this."""
        status = self._parser.get_status_code()
        if status < 200 or self._complete:
            return
        exchange = self.exchange
        assert exchange is not None  # noqa: S101 - only an exchange's answer is parsed
        exchange.status = status
        self._in_body = True
        self._complete = exchange.is_head

    def on_message_complete(self) -> None:
        """See the end of the answer; the parser calls this."""
        if self._in_body:
            self._complete = True
            self._keeps_alive = self._parser.should_keep_alive()  # the parser forgets it after this call

    def eof_received(self) -> None:
        """Take no further request: the connection is about to be closed; asyncio calls this."""
        self.is_closed = True

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange under way; asyncio calls this."""
        self.is_closed = True
        exchange = self.exchange
        if exchange is None:
            return
        if self._in_body and exc is None and ends_with_connection(self._head):
            self._succeed(exchange)
            return
        where = "in the middle of the answer" if self._head else "before an answer"
        self._fail("reset", f"the server closed the connection {where}" + (f": {exc}" if exc else ""))

    def _succeed(self, exchange: Exchange) -> None:
        if self._unasked:
            self._fail("bad_answer", "the server sent more than its one answer")
            return
        self.exchange = None
        self._head = b""
        reusable = not self.is_closed and not exchange.is_head and self._keeps_alive
        if not reusable and not self.is_closed:
            self.close()
        self._keeper.finish(exchange, None, self if reusable else None)

    def _fail(self, reason: Reason, detail: str) -> None:
        exchange = self.exchange
        assert exchange is not None  # noqa: S101 - only an exchange can fail
        exchange.detail = detail
        self.close()
        self._keeper.finish(exchange, reason, None)


class ReadingConnection(Connection):
    """A connection that keeps the headers and the body of each answer."""

    def __init__(self, keeper: Keeper) -> None:
        super().__init__(keeper)
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    def begin(self, exchange: Exchange) -> None:
        """Send the exchange's request; the connection must be idle."""
        self._headers, self._body, self._body_bytes = {}, [], 0
        super().begin(exchange)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, but no trailer; several of one name are joined by commas (RFC 9110, 5.3 and 6.5)."""
        if self._in_body:
            return
        name, value = name.lower(), value.rstrip(b" \t")  # the parser strips the front alone
        self._headers[name] = self._headers[name] + b", " + value if name in self._headers else value

    def on_headers_complete(self) -> None:
        """Forget the headers of an interim answer; the parser calls this."""
        super().on_headers_complete()
        if not self._in_body:
            self._headers = {}

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body; the parser calls this, and stops at an error."""
        self._body_bytes += len(body)
        if self._body_bytes > LONGEST_BODY_BYTES:
            raise BodyTooLong
        self._body.append(body)

    def _succeed(self, exchange: Exchange) -> None:
        exchange.headers, exchange.body = self._headers, b"".join(self._body)
        super()._succeed(exchange)


_NO_HEADERS: dict[bytes, bytes] = {}


class Exchange:
    """One request and what becomes of it: `ended` is called once with a failure's reason, or with None.

    Then `status`, `headers` (lower-case names) and `body` hold the answer, the last two only where read.
    """

    __slots__ = ("body", "connection", "deadline", "detail", "ended", "headers", "is_head", "request", "status")

    def __init__(
        self, request: bytes, *, is_head: bool, deadline: float, ended: Callable[[Exchange, Reason | None], None]
    ) -> None:
        self.request = request
        self.is_head = is_head
        self.deadline = deadline
        self.ended = ended
        self.connection: Connection | None = None
        self.status = 0
        self.headers = _NO_HEADERS
        self.body = b""
        self.detail = ""


def ends_with_connection(received: bytes) -> bool:
    """Tell whether an answer, of which at least the head is there, goes on until its connection is closed.

    So it does without a length and without chunks (RFC 9112, section 6.3). Interim answers may stand before it.
    """
    return _Lengths(received).are_missing


class _Lengths:
    def __init__(self, received: bytes) -> None:
        self.are_missing = True
        httptools.HttpResponseParser(self).feed_data(received)

    def on_message_begin(self) -> None:
        """Forget the head of an interim answer; the parser calls this."""
        self.are_missing = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look for a length in bytes, or for chunks if they are the last coding; the parser calls this."""
        name, value = name.lower(), value.lower()
        if name == b"content-length" or (name == b"transfer-encoding" and value.rstrip().endswith(b"chunked")):
            self.are_missing = False
