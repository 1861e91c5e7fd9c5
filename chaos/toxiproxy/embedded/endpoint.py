"""One socket of a connection: the client's, or the server's behind the proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast

_WRITE_BUFFER_BYTES = 256 * 1024
_RESET = struct.pack("ii", 1, 0)


class Reader(Protocol):
    """Who takes what this socket receives."""

    def feed(self, data: bytes) -> None:
        """Take data."""

    def feed_end(self) -> None:
        """Take notice that there is no more."""


class Writer(Protocol):
    """Who sends through this socket."""

    def writable(self) -> None:
        """Take notice that there is room again, or that the socket is gone."""


class Endpoint(asyncio.Protocol):
    """A socket that is read only while there is room for what it receives, and that writes only while it is taken."""

    reader: Reader
    writer: Writer

    def __init__(self) -> None:
        self.choked = False
        self.lost = False
        self.on_lost: Callable[[], None] | None = None
        self._reading = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hold the data back until there is a link that takes it."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Pass data on."""
        self.reader.feed(data)

    def eof_received(self) -> bool:
        """Leave the socket open: what is still under way to this side passes first."""
        self.reader.feed_end()
        return True

    def connection_lost(self, _: Exception | None) -> None:
        """End the stream that came from here, and let go of who waits to write."""
        self.lost = True
        self.choked = False
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """Take no more for now."""
        self.choked = True
        self.writer.writable()

    def resume_writing(self) -> None:
        """Take more."""
        self.choked = False
        self.writer.writable()

    def read(self, wanted: bool) -> None:  # noqa: FBT001 - on or off
        """Read, or leave the data where it is, so that the sender has to wait."""
        if wanted == self._reading or self.transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def write(self, data: bytes | memoryview) -> bool:
        """Send; tell whether the socket was there for it."""
        if self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def close(self) -> None:
        """Close both directions after what is already written: the real server has no half-close either."""
        self.transport.close()

    def abort(self) -> None:
        """Close now."""
        self.transport.abort()

    def reset_when_closed(self) -> None:
        """End with a TCP reset instead of a close."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
