"""One HTTP/1.1 connection: an asyncio protocol around httptools' parser (llhttp), one `Exchange` at a time.

The parser calls only the methods that a protocol has. So `Connection` reads the status alone, which is fast, and
`ReadingConnection` also keeps headers and body, for the checks that need them.

These rules of RFC 9112 are followed here: answers of 1xx come before the answer and are skipped; the answer to
HEAD has no body; an answer without a length ends with the connection; a connection with unexpected bytes is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from alertdrill.probes.checks.answer import LONGEST_BODY_BYTES
from alertdrill.probes.outcome import Opening, Reason

_LONGEST_HEAD_BYTES = 64 * 1024
_NO_HEADERS: dict[bytes, bytes] = {}


class UncheckableBody(Exception):
    """The body is longer than the limit for bodies with checks."""

    def __str__(self) -> str:
        return f"the body is longer than {LONGEST_BODY_BYTES // 1024**2} MiB, too long to check"


class Exchange:
    """One request and its answer: `ended` is called once with the reason of a failure, or with None.

    `opening` is what it waited for from `began` (monotonic seconds) to its send; None when it was sent at once.

    After its end `status` is that of the answer. Only a `ReadingConnection` also fills `headers` (names in lower case)
    and `body`.
    """

    __slots__ = (
        "began",
        "body",
        "connection",
        "deadline",
        "detail",
        "ended",
        "headers",
        "is_head",
        "opening",
        "request",
        "status",
    )

    def __init__(
        self,
        request: bytes,
        *,
        is_head: bool,
        began: float,
        deadline: float,
        ended: Callable[[Exchange, Reason | None], None],
    ) -> None:
        self.request = request
        self.is_head = is_head
        self.began = began
        self.deadline = deadline
        self.opening: Opening | None = None
        self.ended = ended
        self.connection: Connection | None = None
        self.status = 0
        self.headers = _NO_HEADERS
        self.body = b""
        self.detail = ""


class Keeper(Protocol):
    """The owner of a connection between exchanges: a pool."""

    def finish(self, exchange: Exchange, reason: Reason | None, reusable: Connection | None) -> None:
        """End an exchange, and take its connection back if it is reusable."""
        ...


class Connection(asyncio.Protocol):
    """A connection of a pool: it belongs to one exchange, or is idle, or is closed."""

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
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, but is not a subclass

    def begin(self, exchange: Exchange) -> None:
        """Send the exchange's request; the connection must be idle."""
        self.exchange = exchange
        exchange.connection = self
        self._complete = self._unasked = self._in_body = False
        self._transport.write(exchange.request)

    def close(self) -> None:
        """Close at once, without ending the exchange."""
        self.exchange = None
        self.is_closed = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse a piece of the answer; asyncio calls this."""
        exchange = self.exchange
        if exchange is None:
            self.closed_early = "bad_answer", "the server spoke before the request"
            self.close()  # these bytes would be taken for the answer to the next request
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
        return str(error.__context__) if isinstance(error.__context__, UncheckableBody) else f"not HTTP/1.1: {error}"

    def _feed_long(self, data: bytes) -> None:
        """Pass the parser only the allowed length of a head, even if more of it comes in one piece."""
        beyond = len(self._head) - _LONGEST_HEAD_BYTES
        self._parser.feed_data(data[:-beyond])
        if self._in_body:
            self._parser.feed_data(data[-beyond:])

    def on_message_begin(self) -> None:
        """Note an answer that begins after the expected one; the parser calls this."""
        if self._complete:
            self._unasked = True

    def on_headers_complete(self) -> None:
        """Note the status and that the body begins; the parser calls this."""
        status = self._parser.get_status_code()
        if status < 200 or self._complete:
            return
        exchange = self.exchange
        assert exchange is not None  # noqa: S101 - only an exchange's answer is parsed
        exchange.status = status
        self._in_body = True
        self._complete = exchange.is_head

    def on_message_complete(self) -> None:
        """Note the end of the answer; the parser calls this."""
        if self._in_body:
            self._complete = True
            self._keeps_alive = self._parser.should_keep_alive()  # the parser forgets it after this call

    def eof_received(self) -> None:
        """Take no further request, for the server closes the connection; asyncio calls this."""
        self.is_closed = True

    def connection_lost(self, exc: Exception | None) -> None:
        """End the current exchange; asyncio calls this."""
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
        """Keep a header, but not a trailer; headers with the same name are joined (RFC 9110, 5.3 and 6.5)."""
        if self._in_body:
            return
        name, value = name.lower(), value.rstrip(b" \t")  # the parser strips the front only
        self._headers[name] = self._headers[name] + b", " + value if name in self._headers else value

    def on_headers_complete(self) -> None:
        """Drop the headers of an interim answer; the parser calls this."""
        super().on_headers_complete()
        if not self._in_body:
            self._headers = {}

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body; the parser calls this, and stops when it raises."""
        self._body_bytes += len(body)
        if self._body_bytes > LONGEST_BODY_BYTES:
            raise UncheckableBody
        self._body.append(body)

    def _succeed(self, exchange: Exchange) -> None:
        exchange.headers, exchange.body = self._headers, b"".join(self._body)
        super()._succeed(exchange)


def ends_with_connection(received: bytes) -> bool:
    """Whether the body of an answer ends with its connection; `received` has at least the head.

    That is so for a head without a length and without chunks (RFC 9112, section 6.3). Interim answers may come first.
    """
    return _Lengths(received).are_missing


class _Lengths:
    def __init__(self, received: bytes) -> None:
        self.are_missing = True
        httptools.HttpResponseParser(self).feed_data(received)

    def on_message_begin(self) -> None:
        """Drop the head of an interim answer; the parser calls this."""
        self.are_missing = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look for a length in bytes, or for chunks as the last coding; the parser calls this."""
        name, value = name.lower(), value.lower()
        if name == b"content-length" or (name == b"transfer-encoding" and value.rstrip().endswith(b"chunked")):
            self.are_missing = False
