"""The head of an answer, read once more: few answers end with their connection, so others need not pay for it."""

from __future__ import annotations

import httptools


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
