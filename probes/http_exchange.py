"""One request over HTTP and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from alertdrill.probes.outcome import Reason

if TYPE_CHECKING:
    from alertdrill.probes.http.connection import Connection

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
