"""Answers of HTTP servers that have no end, or that unpack to a thousand times their size."""

from __future__ import annotations

import asyncio
import zlib
from functools import cache

from aiohttp import web

_PIECE = b" " * 2**20
_UNPACKED_MEBIBYTES = 512


@cache
def _packed(encoding: str) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    pieces = [compressor.compress(_PIECE) for _ in range(_UNPACKED_MEBIBYTES)]
    return b"".join([*pieces, compressor.flush()])


def prepare() -> None:
    """Pack the answers before somebody waits for them: that takes a while."""
    for encoding in ("gzip", "deflate"):
        _packed(encoding)


def gzip(_: web.Request) -> web.Response:
    """Answer with 2 MiB that unpack to half a gibibyte."""
    return web.Response(body=_packed("gzip"), headers={"Content-Encoding": "gzip"}, content_type="application/json")


def deflate(_: web.Request) -> web.Response:
    """Answer likewise in the other encoding of the web."""
    return web.Response(body=_packed("deflate"), headers={"Content-Encoding": "deflate"})


def refusing(_: web.Request) -> web.Response:
    """Answer likewise with an error."""
    return web.Response(status=500, body=_packed("gzip"), headers={"Content-Encoding": "gzip"})


def refusing_with_values(_: web.Request) -> web.Response:
    """Answer with an error of JSON whose values need twenty times the memory of its text."""
    return web.Response(status=500, body=b"[" + b"{}," * 5_000_000 + b"{}]")


def refusing_with_words(_: web.Request) -> web.Response:
    """Answer with an error of text whose words need twenty times its memory."""
    return web.Response(status=500, body=b"a " * 5_000_000)


async def endless(request: web.Request) -> web.StreamResponse:
    """Answer as fast as it is read, without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(_PIECE)


async def dripping(request: web.Request) -> web.StreamResponse:
    """Answer with a byte every tenth of a second, without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.1)
