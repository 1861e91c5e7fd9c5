"""What came back for one request: all that checks and carried values look at."""

from __future__ import annotations

import json
from dataclasses import dataclass

_UNREAD = object()


@dataclass(frozen=True, slots=True)
class NotJson:
    """Stands for the document of a body that is no JSON, and says why."""

    reason: str


class Answer:
    """One answer. The names in `headers` are lower-case, and `seconds` counts from the send.

    Header lines of one name are one value, joined with `, ` (RFC 9110, section 5.3). Whoever makes an
    answer may leave headers or body empty when no check needs them.
    """

    __slots__ = ("_document", "body", "headers", "seconds", "status")

    def __init__(self, status: int, headers: dict[bytes, bytes], body: bytes, seconds: float) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.seconds = seconds
        self._document: object = _UNREAD

    def document(self) -> object:
        """Parse the body as JSON, once; gives a NotJson when it is none."""
        if self._document is _UNREAD:
            self._document = _parse(self.body)
        return self._document


def _refuse_constant(name: str) -> object:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)


# Built once: json.loads makes a new decoder whenever it is given an option.
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _parse(body: bytes) -> object:
    try:
        return _decode(body.decode())
    except (ValueError, RecursionError) as error:
        return NotJson(f"the body is no JSON: {error}" if body else "the body is empty, expected JSON")
