"""A relay before a server that can cut the connection at every single step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_PIECE_BYTES = 65536


class Relay:
    """A relay on a port of its own. It counts what clients send, piece by piece, while `counting` says so.

    At the piece numbered `cut_at` it is cut: all connections end, and new ones do too, for `cut_seconds`. With
    `delivered` that piece still arrives, and only the answer is lost. With an `event` it is not cut: the event happens
    first, and then the piece arrives.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.counting: Callable[[], bool] = lambda: True
        self.on_cut: Callable[[], object] = lambda: None
        self.event: Callable[[], Awaitable[object]] | None = None
        self.cut_at = 0
        self.cut_seconds = 0.0
        self.delivered = False
        self.seen = 0
        self._closed_until = 0.0
        self._happening = asyncio.Lock()

    @property
    def was_cut(self) -> bool:
        """Return whether the piece at which to cut has arrived."""
        return 0 < self.cut_at <= self.seen

    async def happened(self) -> None:
        """Wait for the end of an event that has begun: what the client waits for may be over before."""
        async with self._happening:
            pass

    async def reopened(self) -> None:
        """Wait until it lets all connections through again, and stop cutting."""
        self.cut_at = 0
        await asyncio.sleep(max(self._closed_until - asyncio.get_running_loop().time(), 0.0))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Relay]:
        """Relay for the length of the block."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self
            self._end_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asyncio.get_running_loop().time() < self._closed_until:
            writer.close()
            return
        answers, to_server = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        ours = {writer, to_server}
        self._writers |= ours
        await asyncio.gather(self._pass_on(reader, to_server, counted=True), self._pass_on(answers, writer))
        self._writers -= ours

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE_BYTES):
                cuts = counted and self._is_the_one()
                if cuts and self.event is not None:
                    async with self._happening:
                        await self.event()
                    cuts = False
                if not cuts or self.delivered:
                    writer.write(data)
                    await writer.drain()
                if cuts:
                    self._cut()
        writer.close()

    def _is_the_one(self) -> bool:
        if not self.counting():
            return False
        self.seen += 1
        return self.seen == self.cut_at

    def _cut(self) -> None:
        self._closed_until = asyncio.get_running_loop().time() + self.cut_seconds
        self.on_cut()
        self._end_all()

    def _end_all(self) -> None:
        for writer in self._writers:
            # A plain close would still send the buffered data.
            writer.transport.abort() if not self.delivered else writer.close()
