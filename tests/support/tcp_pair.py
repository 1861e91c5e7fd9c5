"""A client, a server that accepts it, and a Toxiproxy between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from tests.support.toxiproxies import ToxiproxyServer

WITHIN_SECONDS = 60.0


@dataclass
class Side:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(WITHIN_SECONDS):
            await self.writer.drain()

    async def receive(self, count: int) -> bytes:
        async with asyncio.timeout(WITHIN_SECONDS):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        """Read to the end of the stream."""
        async with asyncio.timeout(WITHIN_SECONDS):
            return await self.reader.read()

    async def is_silent(self, seconds: float = 0.3) -> bool:
        """Return whether nothing arrives for a while, not even the end of the stream."""
        try:
            async with asyncio.timeout(seconds):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False

    def pause(self) -> None:
        """Stop reading, so that the other side has to wait."""
        cast("asyncio.ReadTransport", self.writer.transport).pause_reading()

    def resume(self) -> None:
        cast("asyncio.ReadTransport", self.writer.transport).resume_reading()

    def close(self) -> None:
        self.writer.close()


@dataclass
class Proxied:
    """A proxy `p` in front of a server; each connection has a client's side and a server's side."""

    api: ToxiproxyServer
    port: int
    accepted: asyncio.Queue[Side]
    sides: list[Side] = field(default_factory=list)

    async def connect(self) -> tuple[Side, Side]:
        async with asyncio.timeout(WITHIN_SECONDS):
            client = Side(*await asyncio.open_connection("127.0.0.1", self.port))
            server = await self.accepted.get()
        self.sides += [client, server]
        return client, server

    async def add(self, kind: str, attributes: dict[str, int] | None = None, **more: Any) -> None:
        toxic = {"type": kind, "name": kind, "attributes": attributes or {}, **more}
        await self.call("POST", "/toxics", toxic)

    async def update(self, name: str, attributes: dict[str, int], **more: Any) -> None:
        await self.call("PATCH", f"/toxics/{name}", {"attributes": attributes, **more})

    async def remove(self, name: str) -> None:
        await self.call("DELETE", f"/toxics/{name}")

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        text = None if body is None else json.dumps(body)
        return await asyncio.to_thread(self.api.json, method, f"/proxies/p{path}", text)


@asynccontextmanager
async def proxied(api: ToxiproxyServer) -> AsyncIterator[Proxied]:
    """Put a proxy in front of a server that only accepts connections."""
    accepted: asyncio.Queue[Side] = asyncio.Queue()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(Side(reader, writer))

    upstream = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = f"127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    body = json.dumps({"name": "p", "listen": "127.0.0.1:0", "upstream": address})
    made = await asyncio.to_thread(api.json, "POST", "/proxies", body)
    pair = Proxied(api, int(made["listen"].rpartition(":")[2]), accepted)
    try:
        yield pair
    finally:
        for side in pair.sides:
            side.writer.transport.abort()
        upstream.close()
        # Some tests have ended the server.
        with suppress(OSError):
            api.raw("DELETE", "/proxies/p")
