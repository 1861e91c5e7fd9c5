"""The answer to one request, as checks and carried values see it."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

_UNREAD = object()


@dataclass(frozen=True, slots=True)
class NotJson:
    """Stands for the document when the body is not JSON; `reason` explains why."""

    reason: str


LONGEST_BODY_BYTES = 16 * 1024 * 1024
_DEFLATE_WINDOWS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


def unpacked(body: bytes, encoding: bytes) -> bytes:
    """Unpack a body that was compressed with gzip or deflate (RFC 9110, section 8.4.1).

    It is returned as it is when it cannot be unpacked, or is longer than the limit for bodies: then checks do not hold.
    """
    window = _DEFLATE_WINDOWS.get(encoding.decode("latin-1").strip().lower())
    if window is None or not body:
        return body
    unpacking = zlib.decompressobj(window)
    try:
        whole = unpacking.decompress(body, LONGEST_BODY_BYTES)
    except zlib.error:
        return body
    return body if unpacking.unconsumed_tail else whole


class Answer:
    """One answer. The names in `headers` are in lower case, and `seconds` counts from when the request could be sent.

    Header lines with the same name are one value, joined with `, ` (RFC 9110, section 5.3). A client may leave
    headers or body empty when no check needs them.
    """

    __slots__ = ("_document", "body", "headers", "seconds", "status")

    def __init__(self, status: int, headers: dict[bytes, bytes], body: bytes, seconds: float) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.seconds = seconds
        self._document: object = _UNREAD

    def document(self) -> object:
        """Return the body parsed as JSON, or a NotJson; it is parsed once."""
        if self._document is _UNREAD:
            self._document = _parse(self.body)
        return self._document


def _refuse_constant(name: str) -> object:
    msg = f"{name} is not a JSON number"
    raise ValueError(msg)


# Built once: json.loads makes a new decoder whenever it is given an option.
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _parse(body: bytes) -> object:
    try:
        return _decode(body.decode())
    except (ValueError, RecursionError) as error:
        return NotJson(f"the body is not JSON: {error}" if body else "the body is empty, expected JSON")
