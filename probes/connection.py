"""A TCP connection of its own for a single transaction, over TLS if asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alertdrill.units.server_url import ServerUrl


@asynccontextmanager
async def connected(
    server: ServerUrl, context: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect for the length of the block; raises OSError (SSLError, gaierror and TimeoutError among them).

    `server_name` is that of the certificate where it is not the host's own.
    """
    name = (server_name or server.host) if context else None
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        # Without waiting for the other side: the transaction is over.
        writer.close()
