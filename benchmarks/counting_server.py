"""Answers requests and counts them: `python -m benchmarks.counting_server`, which prints its port.

It is a process of its own, and knows nothing of the client: what it has counted decides whether one was lost or doubled.
`GET /counts` answers with the number of requests, with how many had the idempotency key of another, and with the number in
each second of CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.request import urlopen

import uvloop

_END, _KEY = b"\r\n\r\n", b"\r\nIdempotency-Key: "
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Counts:
    """What the server has counted."""

    total: int
    doubled: int
    by_second: dict[int, int]


def counts(port: int) -> Counts:
    """Ask a server for its counts."""
    with urlopen(f"http://127.0.0.1:{port}/counts", timeout=60) as answer:
        found = json.load(answer)
    return Counts(found["total"], found["doubled"], {int(at): count for at, count in found["by_second"].items()})


@dataclass
class _Counting:
    total: int = 0
    doubled: int = 0
    by_second: Counter[int] = field(default_factory=Counter)
    # The hashes take a third of the memory of the keys.
    keys: set[int] = field(default_factory=set)

    def add(self, head: bytes) -> None:
        key = hash(head.partition(_KEY)[2][:36])
        self.total += 1
        self.doubled += key in self.keys
        self.keys.add(key)
        self.by_second[int(time.monotonic())] += 1

    def answer(self) -> bytes:
        body = json.dumps({"total": self.total, "doubled": self.doubled, "by_second": self.by_second}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class _Connection(asyncio.Protocol):
    def __init__(self, counting: _Counting) -> None:
        self._counting = counting
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "write")  # noqa: S101 - uvloop's is no subclass of asyncio's
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(_END)
        for head in heads:
            if head.startswith(b"GET /counts "):
                self._write(self._counting.answer())
            else:
                self._counting.add(head)
                self._write(_ANSWER)


async def _serve() -> None:
    counting = _Counting()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(counting), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
