"""A TCP load on `tcp_peer`: measures the throughput, and the round trip of small messages."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TypeVar, cast

from benchmarks.tcp_peer import ARRIVED, HEAD_BYTES

MESSAGE = b"m" * 64
_CHUNK = b"c" * (256 * 1024)


async def transfer_seconds(port: int, connections: int, bytes_each: int) -> float:
    """Send `bytes_each` bytes over every connection at once; returns the seconds until all have arrived."""
    senders = [await _connect(port, _Sender()) for _ in range(connections)]
    started = perf_counter()
    for sender in senders:
        sender.send(bytes_each)
    await asyncio.gather(*(sender.arrived for sender in senders))
    seconds = perf_counter() - started
    for sender in senders:
        sender.transport.close()
    return seconds


async def round_trips(port: int, connections: int, messages_each: int) -> tuple[float, list[float]]:
    """Send messages one after the other over each connection; returns the total seconds and those of each message."""
    echoes = [await _connect(port, _Echo(messages_each)) for _ in range(connections)]
    started = perf_counter()
    for echo in echoes:
        echo.begin()
    await asyncio.gather(*(echo.done for echo in echoes))
    seconds = perf_counter() - started
    for echo in echoes:
        echo.transport.close()
    return seconds, [one for echo in echoes for one in echo.seconds]


class _Client(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)


_AnyClient = TypeVar("_AnyClient", bound=_Client)


async def _connect(port: int, client: _AnyClient) -> _AnyClient:
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    return client


class _Sender(_Client):
    """Sends as fast as the connection accepts data."""

    def __init__(self) -> None:
        self.arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0
        self._choked = False

    def send(self, count: int) -> None:
        self._left = count
        self.transport.write(count.to_bytes(HEAD_BYTES, "big"))
        self.resume_writing()

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False
        while self._left > 0 and not self._choked:
            chunk = _CHUNK[: self._left]
            self._left -= len(chunk)
            self.transport.write(chunk)

    def data_received(self, data: bytes) -> None:
        assert data == ARRIVED  # noqa: S101 - the peer sends nothing else
        self.arrived.set_result(None)


class _Echo(_Client):
    """Sends the next message when the previous one has come back."""

    def __init__(self, messages: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seconds: list[float] = []
        self._messages = messages
        self._missing = 0
        self._sent = 0.0

    def begin(self) -> None:
        self.transport.write((0).to_bytes(HEAD_BYTES, "big"))
        self._send()

    def _send(self) -> None:
        self._missing = len(MESSAGE)
        self._sent = perf_counter()
        self.transport.write(MESSAGE)

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing > 0:
            return
        self.seconds.append(perf_counter() - self._sent)
        if len(self.seconds) == self._messages:
            self.done.set_result(None)
        else:
            self._send()
