"""A server that answers every request with 201 after a delay: `python -m benchmarks.delaying_server PORT MILLISECONDS`.

nginx cannot delay an answer without extra modules. This one supports HTTP/1.1 with keep-alive and Content-Length only.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import deque
from pathlib import Path
from typing import cast

import uvloop

from alertdrill.lab.server import Spec
from benchmarks.nginx import ANSWER
from benchmarks.servers import ROOT

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWER = (
    f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n\r\n{ANSWER}".encode()
)


def describe(delay_ms: int, directory: Path, port: int) -> Spec:
    """Describe how to start this server on a loopback port."""
    del directory  # it writes no files
    command = [sys.executable, "-m", "benchmarks.delaying_server", str(port), str(delay_ms)]
    return Spec("delaying-server", command, port, environment={"PYTHONPATH": str(ROOT)})


class _Answering(asyncio.Protocol):
    """One connection; answers are in the order of the requests, because all have the same delay."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._received = b""
        self._timers: deque[asyncio.TimerHandle] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (length := _request_length(self._received)) is not None:
            self._received = self._received[length:]
            if self._delay_seconds:
                self._timers.append(self._loop.call_later(self._delay_seconds, self._answer))
            else:
                self._transport.write(_ANSWER)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for timer in self._timers:
            timer.cancel()

    def _answer(self) -> None:
        self._timers.popleft()
        self._transport.write(_ANSWER)


def _request_length(received: bytes) -> int | None:
    """Return the length of the first request, head and body, in bytes; None while it is incomplete."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    found = _LENGTH.search(received, 0, head)
    length = head + 4 + (int(found[1]) if found else 0)
    return length if len(received) >= length else None


async def _serve(port: int, delay_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(delay_seconds), "127.0.0.1", port, backlog=8192)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]) / 1e3))
