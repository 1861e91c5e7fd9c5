"""A TCP server that counts or echoes: `python -m benchmarks.tcp_peer PORT`.

A client first sends a number as eight bytes, and then that many bytes. When they have arrived, the server answers with
one byte and waits for the next number. After the number zero it echoes everything.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop

from alertdrill.lab.server import Spec
from benchmarks.servers import ROOT

HEAD_BYTES = 8
ARRIVED = b"."
_BUFFER_BYTES = 1 << 20


def describe(directory: Path, port: int) -> Spec:
    """Describe how to start this server on a loopback port."""
    del directory  # it writes no files
    command = [sys.executable, "-m", "benchmarks.tcp_peer", str(port)]
    return Spec("tcp-peer", command, port, environment={"PYTHONPATH": str(ROOT)})


class _Peer(asyncio.BufferedProtocol):
    """One connection; `_left` is None while it waits for a number."""

    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER_BYTES)
        self._head = b""
        self._left: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = memoryview(self._buffer)[:nbytes]
        if self._left is None:
            data = self._read_head(data)
        if self._left == 0:
            self._transport.write(bytes(data))
        elif self._left is not None:
            self._left -= len(data)
            if self._left == 0:
                self._transport.write(ARRIVED)
                self._left = None

    def _read_head(self, data: memoryview) -> memoryview:
        missing = HEAD_BYTES - len(self._head)
        self._head += data[:missing]
        if len(self._head) == HEAD_BYTES:
            self._left = int.from_bytes(self._head, "big")
            self._head = b""
        return data[missing:]


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Peer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
