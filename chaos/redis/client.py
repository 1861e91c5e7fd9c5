"""The only file of the faults that speaks to Redis, through redis-py.

Every command has a time limit, because an undo must end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis as Server
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from alertdrill.chaos.redis.target import RedisTarget
from alertdrill.chaos.secret_source import read_secret
from alertdrill.units.tls import TlsSettings

_LIMIT_SECONDS = 5.0
_SHORT_SECONDS = 0.5
_AT_ONCE = 1000
_NO_KEY = "alertdrill:no-such-key"
_MEBIBYTE = 1 << 20
# With its header it fits in 1 MiB; the allocator would give 1.25 MiB to one that is a byte too long.
_VALUE_BYTES = _MEBIBYTE - 64
# A value of a fill is recognised by its type and its length: it is too long to compare.
_UNLINK_OWN = """
local left = 0
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' and redis.call('STRLEN', key) == tonumber(ARGV[1]) then
    redis.call('UNLINK', key)
  elseif kind ~= 'none' then
    left = left + 1
  end
end
return left
"""
_BYTES_OF_A_KEY = _MEBIBYTE + 256
# A fill takes at most this share of the memory that Redis does not use. Other programs need an unknown part of it, and
# the kernel kills a program when no memory is free.
_LARGEST_SHARE = 0.5


class RedisFailed(Exception):
    """The server refused, could not be reached, or did not do what was requested."""


class RedisServer:
    """One server, through one connection."""

    def __init__(self, client: Any, name: str) -> None:  # noqa: ANN401 - redis-py's types are for two worlds
        self._client = client
        self._name = name

    async def flush(self, pattern: str | None) -> None:
        """Remove all keys of the database, or the keys that match a pattern."""
        if pattern is None:
            await self._client.flushdb()
            return
        found = []
        async for key in self._client.scan_iter(match=pattern, count=_AT_ONCE):
            found.append(key)
            if len(found) == _AT_ONCE:
                await self._client.unlink(*found)
                found.clear()
        if found:
            await self._client.unlink(*found)

    async def require_room(self, mebibytes: int, *, may_evict: bool) -> None:
        """Check that a fill evicts no keys of others and does not fill the machine; raises RedisFailed."""
        memory = await self._client.info("memory")
        # One more value is in the buffer of the connection.
        used, wanted = memory["used_memory"], (mebibytes + 1) * _BYTES_OF_A_KEY
        limit, policy = memory["maxmemory"], memory["maxmemory_policy"]
        largest = (memory["total_system_memory"] - used) * _LARGEST_SHARE
        if limit and used + wanted > limit and policy != "noeviction" and not may_evict:
            raise RedisFailed(
                f"{mebibytes} MiB more would evict keys of others ({policy}, {used >> 20} of {limit >> 20} MiB used),"
                f" which cannot be undone: needs `allow: fill {self._name}`"
            )
        if not limit and wanted > largest:
            raise RedisFailed(
                f"it has no maxmemory, and {mebibytes} MiB are more than half of the machine's remaining memory,"
                f" expected at most {int(largest / _BYTES_OF_A_KEY) - 1} MiB"
            )

    async def fill(self, name: str, mebibytes: int, ttl: timedelta, *, may_evict: bool) -> int:
        """Write keys of 1 MiB under the fault's name; stop when the server is full, which is the purpose.

        Return how many it wrote.
        """
        await self.require_room(mebibytes, may_evict=may_evict)
        value = b"\0" * _VALUE_BYTES
        for number, key in enumerate(_keys(name, mebibytes)):
            try:
                await self._client.set(key, value, px=ttl)
            except OutOfMemoryError:
                return number
        return mebibytes

    async def evicts(self) -> bool:
        """Return whether the server itself may remove keys, those of a fill too."""
        memory = await self._client.info("memory")
        return bool(memory["maxmemory"]) and memory["maxmemory_policy"] != "noeviction"

    async def missing(self, name: str, written: int) -> tuple[int, int]:
        """Look for keys of a fill, at most a thousand from all of it; return how many are gone, and of how many."""
        some = _keys(name, written)[:: -(-written // _AT_ONCE) or 1]
        return (len(some) - await self._client.exists(*some) if some else 0), len(some)

    async def empty(self, name: str, mebibytes: int) -> int:
        """Remove the keys of a fill, and confirm that none is left; raises RedisFailed.

        A key that somebody else has overwritten stays; return how many did.
        """
        keys, left = _keys(name, mebibytes), 0
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at : at + _AT_ONCE]
            theirs = await self._unlink_own(some)
            if await self._client.exists(*some) > theirs:
                raise RedisFailed(f"it still has keys {name}:*")
            left += theirs
        return left

    async def _unlink_own(self, keys: list[str]) -> int:
        """Remove keys of a fill in one step, and return how many were overwritten and stay.

        For a user who may not run scripts all are removed.
        """
        try:
            return int(await self._client.eval(_UNLINK_OWN, len(keys), *keys, _VALUE_BYTES))
        except ResponseError:
            await self._client.unlink(*keys)
            return 0

    async def block_writes(self, longest: timedelta) -> None:
        """Make the server delay all writes.

        Reads go on: a pause of all commands would also delay the command that ends it.
        """
        await self._client.execute_command("CLIENT PAUSE", round(longest / timedelta(milliseconds=1)), "WRITE")

    async def is_writable(self) -> bool:
        """Return whether the server answers a write that changes nothing within a short time."""
        try:
            async with asyncio.timeout(_SHORT_SECONDS):
                await self._client.unlink(_NO_KEY)
        except TimeoutError:
            return False
        return True

    async def require_writable(self) -> None:
        """Try the write that `unblock` uses as confirmation; raises RedisFailed."""
        try:
            await self._client.unlink(_NO_KEY)
        except RedisError as error:
            raise RedisFailed(
                f"it accepts no write of {_NO_KEY}, which confirms the end of a block: {error}"
                " (is it blocked already, a replica, a node of a cluster, or does the user lack permission?)"
            ) from error

    async def unblock(self) -> None:
        """Make the server accept writes, and confirm it by a write that changes nothing; raises RedisFailed."""
        await self._client.execute_command("CLIENT UNPAUSE")
        await self._client.unlink(_NO_KEY)


@asynccontextmanager
async def connected(target: RedisTarget) -> AsyncIterator[RedisServer]:
    """Connect for the length of the block; raises RedisFailed and SecretMissing."""
    server = target.server
    address = f"{server.host}:{server.port}"
    client = Server(
        host=server.host,
        port=server.port,
        db=int(server.path or 0),
        username=server.user or None,
        password=read_secret(target.password_file, target.password_env),
        socket_timeout=_LIMIT_SECONDS,
        socket_connect_timeout=_LIMIT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        ssl=server.scheme == "rediss",
        **_tls(target.tls) if target.tls and server.scheme == "rediss" else {},
    )
    try:
        await client.ping()
        yield RedisServer(client, target.server_name)
    except RedisFailed as error:
        raise RedisFailed(f"Redis at {address}: {error}") from error
    except (OSError, RedisError) as error:
        reason = str(error) or type(error).__name__
        raise RedisFailed(f"Redis at {address}: {reason}") from error
    finally:
        await client.aclose()


def _keys(name: str, mebibytes: int) -> list[str]:
    return [f"{name}:{number}" for number in range(mebibytes)]


def _tls(tls: TlsSettings) -> dict[str, Any]:
    """Return the TLS settings as arguments of redis-py."""
    return {
        "ssl_ca_certs": tls.ca_file and str(tls.ca_file),
        "ssl_certfile": tls.cert_file and str(tls.cert_file),
        "ssl_keyfile": tls.key_file and str(tls.key_file),
        "ssl_cert_reqs": "none" if tls.insecure_skip_verify else "required",
        "ssl_check_hostname": not tls.insecure_skip_verify,
    }
