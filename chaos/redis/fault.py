"""Redis loses its keys, is filled, or does not accept writes.

kind: redis
url: redis://redis:6379/0          # rediss:// over TLS
password_file: secrets/redis       # or password_env: REDIS_PASSWORD
action: block                      # or fill, or flush
allow: block redis:6379            # and the same line in `allow` of agent.yml
at_most: 5m                        # the longest; a block is ended then by Redis itself
mebibytes: 256                     # fill
pattern: "session:*"               # flush: all keys of the database unless named

A flush cannot be undone: the keys are lost.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from alertdrill.chaos.data_server import DataServerFault, require_allowed
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.redis.target import RedisTarget
from alertdrill.chaos.secret_source import SecretMissing
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.extras import of_extra, require_library
from alertdrill.units.server_url import RedisUrl, ServerUrl, parse_redis_url

if TYPE_CHECKING:
    from alertdrill.chaos.redis.client import RedisServer

# Near the end of a block Redis may have ended it by itself, in whole milliseconds of its own clock.
_MARGIN_SECONDS = 0.5
_NEEDED = {"flush": (), "fill": ("mebibytes",), "block": ()}
_OWN_KEYS = {"flush": ("pattern",), "fill": ("mebibytes", "ttl"), "block": ()}


class RedisInjection(Injection, RedisTarget):
    """The action, and the database."""

    kind: Literal["redis"] = "redis"
    name: str
    words: str
    action: Literal["flush", "fill", "block"]
    pattern: str | None
    mebibytes: int
    ttl: Duration
    at_most: Duration
    may_evict: bool
    # Known only to the process that injected it, and not in the ledger.
    _written: int = PrivateAttr(0)
    _blocked_until: float = PrivateAttr(0.0)

    @property
    def target(self) -> str:
        """The target, in words."""
        return self.words

    @property
    def by_hand(self) -> str:
        """The command that ends the fault, and when Redis itself does so."""
        if self.action == "block":
            return f"CLIENT UNPAUSE (Redis itself ends the pause after {format_duration(self.at_most)})"
        if self.action == "fill":
            return f"UNLINK {self.name}:0 to {self.name}:{self.mebibytes - 1} (they expire after {format_duration(self.ttl)})"
        return ""

    async def inject(self) -> None:
        """Flush, fill or block; raises FaultNotApplied."""
        from alertdrill.chaos.redis.client import RedisFailed, connected

        try:
            async with connected(self) as server:
                if self.action == "flush":
                    await server.flush(self.pattern)
                elif self.action == "fill":
                    self._written = await server.fill(self.name, self.mebibytes, self.ttl, may_evict=self.may_evict)
                else:
                    self._blocked_until = time.monotonic() + self.at_most.total_seconds() - _MARGIN_SECONDS
                    await server.block_writes(self.at_most)
        except (RedisFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error

    async def taken_back(self) -> str | None:
        """Return why the keys of a fill are gone, or that writes work during a block; a flush has no end.

        A block that Redis itself ends at `at_most` was not taken back.
        """
        if self.action == "flush":
            return None
        from alertdrill.chaos.redis.client import RedisFailed, connected

        try:
            async with connected(self) as server:
                return await (self._emptied(server) if self.action == "fill" else self._unblocked(server))
        except (RedisFailed, SecretMissing):
            return ""

    async def _empty(self, server: RedisServer) -> None:
        if left := await server.empty(self.name, self.mebibytes):
            self._outcome = f"somebody overwrote {left} of its keys {self.name}:*, which stay"

    async def _emptied(self, server: RedisServer) -> str:
        missing, count = await server.missing(self.name, self._written)
        if not missing or (missing < count and await server.evicts()):
            return ""
        return f"{missing} of {count} keys of it are gone: they were removed or expired, or Redis was restarted"

    async def _unblocked(self, server: RedisServer) -> str:
        ended = await server.is_writable() and time.monotonic() < self._blocked_until
        return "it accepts writes: somebody ended the pause, or Redis was restarted" if ended else ""

    async def undo(self) -> None:
        """Remove the keys of a fill, or end a block; a flush cannot be undone. Raises FaultNotHealed."""
        with of_extra("redis"):
            from alertdrill.chaos.redis.client import RedisFailed, connected

        try:
            if self.action != "flush":
                async with connected(self) as server:
                    await (self._empty(server) if self.action == "fill" else server.unblock())
        except (RedisFailed, SecretMissing) as error:
            raise FaultNotHealed(str(error)) from error


class Redis(DataServerFault):
    """Flush, fill or block a Redis server; flush and block need a written permission."""

    client_module: ClassVar[str] = "alertdrill.chaos.redis.client"
    kind: Literal["redis"] = "redis"
    url: RedisUrl
    action: Literal["flush", "fill", "block"]
    pattern: str | None = Field(default=None, min_length=1)
    mebibytes: int = Field(default=0, gt=0, le=1024 * 1024)
    ttl: Duration = Field(default=timedelta(hours=1), ge=timedelta(seconds=1))
    at_most: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        require_library("redis", "redis")
        self.require_own_keys(_NEEDED[self.action], _OWN_KEYS)
        return self

    @property
    def server(self) -> ServerUrl:
        """The server in the URL."""
        return parse_redis_url(self.url)

    @property
    def target(self) -> str:
        """The target, in words."""
        forever = ", cannot be undone" if self.action == "flush" else ""
        return f"{self.server_name} ({self.action}{forever})"

    @property
    def needs_permission(self) -> bool:
        """Whether keys of others may be lost, or the server is blocked."""
        return self.action != "fill" or self.allow is not None

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> RedisInjection:
        """Check the permission, the connection, and that the server is not broken already; raises FaultNotApplied."""
        from alertdrill.chaos.redis.client import RedisFailed, connected

        require_allowed(self, endpoints)
        injection = RedisInjection(
            name=entry_id,
            words=self.target,
            server_name=self.server_name,
            url=endpoints.located(self.url),
            password_file=self.find_password_file(endpoints),
            may_evict=self.allow is not None,
            **self.model_dump(include={"password_env", "action", "pattern", "mebibytes", "ttl", "at_most"}),
            tls=self.tls,
        )
        try:
            async with connected(injection) as server:
                if self.action == "fill":
                    await server.require_room(self.mebibytes, may_evict=injection.may_evict)
                elif self.action == "block":
                    await server.require_writable()
        except (RedisFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error
        return injection
