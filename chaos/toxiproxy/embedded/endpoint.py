"""One socket of a connection: the client's, or the server's behind the proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast

_WRITE_BUFFER_BYTES = 256 * 1024
# A socket that always has data is read once in each turn of the loop, so that all others and the API have their turn.
# The event loop would otherwise read it up to 32 times, a quarter of a megabyte each.
TURN_BYTES = 64 * 1024
# All sockets of a loop share it: what was read is copied before the next one is read.
_BUFFER = memoryview(bytearray(TURN_BYTES))
_RESET = struct.pack("ii", 1, 0)


class Reader(Protocol):
    """The receiver of the data of this socket."""

    def feed(self, data: bytes) -> None:
        """Accept data."""

    def feed_end(self) -> None:
        """Handle the end of the stream."""


class Writer(Protocol):
    """The sender through this socket."""

    def writable(self) -> None:
        """Handle that there is room again, or that the socket is gone."""


class Endpoint(asyncio.BufferedProtocol):
    """A socket; it is read only while there is room for the data, and written to only while the other side reads."""

    writer: Writer

    def __init__(self) -> None:
        self._reader: Reader | None = None
        # Data that arrives before there is a link.
        self._early: list[bytes] = []
        self._ended = False
        self._is_wanted = True
        self._is_resting = False
        self.choked = False
        self.lost = False
        self.on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def attach(self, reader: Reader) -> None:
        """Send all data to this link, beginning with the data that arrived earlier."""
        self._reader = reader
        for data in self._early:
            reader.feed(data)
        self._early.clear()
        if self._ended:
            reader.feed_end()

    def get_buffer(self, _: int) -> memoryview:
        """Return where the event loop reads to."""
        return _BUFFER

    def buffer_updated(self, count_bytes: int) -> None:
        """Pass data on; if there may be more, rest until the next turn."""
        data = bytes(_BUFFER[:count_bytes])
        if count_bytes == TURN_BYTES:
            self._rest()
        if self._reader is None:
            self._early.append(data)
        else:
            self._reader.feed(data)

    def _rest(self) -> None:
        self._is_resting = True
        self.transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._end_rest)

    def _end_rest(self) -> None:
        self._is_resting = False
        self.read(self._is_wanted)

    def eof_received(self) -> bool:
        """Leave the socket open: data on the way to this side passes first."""
        self._end()
        return True

    def connection_lost(self, _: Exception | None) -> None:
        """End the stream from this socket, and wake waiting writers."""
        self.lost = True
        self.choked = False
        self._end()
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """Stop writing for now."""
        self.choked = True
        self.writer.writable()

    def resume_writing(self) -> None:
        """Write again."""
        self.choked = False
        self.writer.writable()

    def read(self, wanted: bool) -> None:  # noqa: FBT001 - on or off
        """Read, or stop reading, so that the sender has to wait."""
        self._is_wanted = wanted
        if self._is_resting or self.transport.is_closing() or wanted == self.transport.is_reading():
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def write(self, data: bytes | memoryview) -> bool:
        """Send data; return whether the socket was open."""
        if self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def close(self) -> None:
        """Close both directions after the written data: the real server has no half-close either."""
        self.transport.close()

    def abort(self) -> None:
        """Close now."""
        self.transport.abort()

    def reset_when_closed(self) -> None:
        """End with a TCP reset instead of a close."""
        if not self.transport.is_closing():
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _end(self) -> None:
        self._ended = True
        if self._reader is not None:
            self._reader.feed_end()
