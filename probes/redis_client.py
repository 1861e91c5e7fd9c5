"""The only file of the probes that uses redis-py: the client of Redis."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, SSLConnection
from redis.asyncio import Redis as Server
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from alertdrill.probes.failures import explain
from alertdrill.probes.outcome import Outcome, Reason
from alertdrill.probes.redis import RedisProbe
from alertdrill.units.tls import TlsSettings

_CONNECTING = re.compile(r"Error (-?\d+) connecting to ")


class RedisClient:
    """Makes the transactions of one `RedisProbe` on a pool's connections."""

    def __init__(self, probe: RedisProbe, server: Server) -> None:
        self._probe = probe
        self._server = server
        self._expected = probe.expected
        self._limit_seconds = probe.timeout.total_seconds()

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        try:
            async with asyncio.timeout(self._limit_seconds):
                reply = await self._server.execute_command(*self._probe.command)  # type: ignore[no-untyped-call]
        except (OSError, RedisError) as error:
            return self._probe.without_answer(*_explain(error, self._limit_seconds))
        text = _as_text(reply)
        if self._expected is None or self._expected.holds(text):
            return Outcome()
        return self._probe.without_answer("check", self._expected.explain("reply", text))


@asynccontextmanager
async def opened(probe: RedisProbe, shard: int, shards: int) -> AsyncIterator[RedisClient]:
    """Open the pool for the length of the block: connections open at first use, and all workers share `pool_size`."""
    del shard
    server = probe.server
    pool = BlockingConnectionPool(
        connection_class=SSLConnection if server.scheme == "rediss" else Connection,
        max_connections=max(probe.pool_size // shards, 1),
        # The transaction's own time limit is the only one, and a failed command is not repeated.
        timeout=None,
        socket_timeout=None,
        socket_connect_timeout=None,
        retry=Retry(NoBackoff(), 0),
        host=server.host,
        port=server.port,
        db=int(server.path or 0),
        username=server.user or None,
        password=probe.password.get_secret_value() if probe.password else None,
        # RESP2: every server knows it.
        protocol=2,
        **_tls(probe.tls) if probe.tls else {},
    )
    client = Server(connection_pool=pool)
    # Replies stay as they are: redis-py would convert PONG to True.
    client.response_callbacks.clear()
    try:
        yield RedisClient(probe, client)
    finally:
        await client.aclose()
        await pool.disconnect()


def _tls(tls: TlsSettings) -> dict[str, Any]:
    """Return the TLS settings as arguments of redis-py."""
    return {
        "ssl_ca_certs": tls.ca_file and str(tls.ca_file),
        "ssl_certfile": tls.cert_file and str(tls.cert_file),
        "ssl_keyfile": tls.key_file and str(tls.key_file),
        "ssl_cert_reqs": "none" if tls.insecure_skip_verify else "required",
        "ssl_check_hostname": not tls.insecure_skip_verify,
    }


def _as_text(reply: object) -> str:
    """Format a reply as text: nil as `nil`, a list as JSON."""
    if reply is None:
        return "nil"
    if isinstance(reply, bytes):
        return reply.decode(errors="replace")
    if isinstance(reply, list):
        return json.dumps([_as_text(item) for item in reply], ensure_ascii=False)
    return str(reply)


def _explain(error: Exception, limit_seconds: float) -> tuple[Reason, str]:
    """Return why there is no reply, and a text; for an error that redis-py wraps, those of the original error."""
    if isinstance(error, OSError):
        return explain(error, limit_seconds)
    if not isinstance(error, RedisConnectionError) or isinstance(error, AuthenticationError):
        return "bad_answer", str(error)
    original = _original(error)
    return ("reset", str(error)) if original is None else explain(original, limit_seconds)


def _original(error: Exception) -> OSError | None:
    """Find the system's error that redis-py wrapped."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    named = _CONNECTING.match(str(error))
    if named is None or (found is not None and found.errno == int(named[1])):
        return found
    # redis-py may wrap an older error, or none at all. The number in its text is the right one.
    number = int(named[1])
    return OSError(number, str(error)) if number > 0 else socket.gaierror(number, str(error))
