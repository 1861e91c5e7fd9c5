"""A TCP connection for a single transaction, over TLS if a context is given."""

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
    """Connect for the length of the block; raises OSError, of which SSLError, gaierror and TimeoutError are kinds.

    `server_name` is the name in the certificate, when that is not the host's name.
    """
    name = (server_name or server.host) if context else None
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        # The transaction is over, so nothing waits for the server to close its side.
        writer.close()
