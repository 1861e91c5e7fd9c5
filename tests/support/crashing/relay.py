"""A network that can be cut: a relay between the agent and a server."""

from __future__ import annotations

import asyncio

from alertdrill.lab.ports import free_ports


class Relay:
    """Passes bytes on from a port of its own to a server, until it is cut."""

    def __init__(self, upstream_port: int) -> None:
        (self.port,) = free_ports(1)
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def restore(self) -> None:
        """Listen, for the first time or again."""
        if self._server is None:
            self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, up_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_on(reader, up_writer))
                tasks.create_task(self._pass_on(up_reader, writer))
        finally:
            self._open -= {writer, up_writer}
            for one in (writer, up_writer):
                one.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()
