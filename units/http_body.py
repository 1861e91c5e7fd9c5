"""Reads the body of an HTTP answer up to a limit: what a server sends, or what that unpacks to, may have no end.

aiohttp unpacks a compressed body in pieces of about 64 KiB, and waits while nobody reads them. The time for a body is
part of the total time of its request.
"""

from __future__ import annotations

import aiohttp

MOST_BYTES = 64 * 2**20
"""The largest answer of a server with many series or objects."""
MOST_VALUES = 4_000_000
"""The most JSON values of such an answer, for the memory that they take."""


class BodyTooLong(Exception):
    """A body is larger than its limit, perhaps only after it was unpacked."""


async def read_body(response: aiohttp.ClientResponse, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the unpacked body; raises BodyTooLong, and what aiohttp raises."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            size = f"{most_bytes // 2**20} MiB"
            raise BodyTooLong(f"its answer is larger than {size}" + _packed(response))
    return bytes(body)


def _packed(response: aiohttp.ClientResponse) -> str:
    encoding = response.headers.get("Content-Encoding", "")
    return " when it is unpacked" if encoding not in {"", "identity"} else ""
