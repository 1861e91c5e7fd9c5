"""The engine's Redis: known accounts and idempotency keys; it may fail, and payments go on."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from alertdrill.lab.engine.redis_pipeline import RedisPipeline

_PATIENCE_SECONDS = 0.5
_KEY_SECONDS = 24 * 3600
_CLAIM_SECONDS = 60
_LOOK_UPS_KEPT = 1000


@dataclass(frozen=True)
class Claim:
    """What Redis holds under an idempotency key: the order's digest, and the answer once there is one."""

    digest: str
    answer: dict[str, Any] | None


class Cache:
    """Accounts and idempotency keys in Redis; every failure counts as a miss.

    `took` is told the seconds of each look-up.
    """

    def __init__(self, url: str, observe_seconds: Callable[[float], object]) -> None:
        self._observe_seconds = observe_seconds
        self.hits = 0
        self.misses = 0
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            # One more try for a connection that died while idle, none for a slow server.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            decode_responses=True,
        )
        self._pipeline = RedisPipeline(self._redis)
        self._look_ups: deque[bool] = deque(maxlen=_LOOK_UPS_KEPT)

    async def run(self) -> None:
        """Send what is asked until cancelled; nothing is answered before."""
        await self._pipeline.run()

    @property
    def hit_rate_percent(self) -> float:
        """The share of hits among the last account look-ups; 100 before the first."""
        return 100.0 * sum(self._look_ups) / len(self._look_ups) if self._look_ups else 100.0

    async def look_up(self, accounts: list[str], key: str | None, digest: str) -> tuple[list[str], Claim | None]:
        """Claim the key and find the accounts in one round trip: (accounts missed, who had the key before)."""
        started = time.monotonic()
        claim = [json.dumps([digest, None]), "NX", "GET", "EX", _CLAIM_SECONDS]
        asked = None if key is None else self._pipeline.call("SET", f"key:{key}", *claim)
        found = await self._pipeline.call("MGET", *(f"account:{account}" for account in accounts))
        held = None if asked is None else await asked
        self._observe_seconds(time.monotonic() - started)
        hits = [one is not None for one in found or [None] * len(accounts)]
        self._look_ups.extend(hits)
        self.hits += sum(hits)
        self.misses += len(hits) - sum(hits)
        missed = [account for account, hit in zip(accounts, hits, strict=True) if not hit]
        return missed, Claim(*json.loads(held)) if held else None

    def remember_accounts(self, accounts: Iterable[str]) -> None:
        """Put accounts into the cache."""
        if pairs := [part for account in accounts for part in (f"account:{account}", "1")]:
            self._pipeline.send("MSET", *pairs)

    def remember_answer(self, key: str, digest: str, answer: dict[str, Any]) -> None:
        """Keep the answer, to give it again to whoever repeats the order; until then PostgreSQL knows it."""
        self._pipeline.send("SET", f"key:{key}", json.dumps([digest, answer]), "EX", _KEY_SECONDS)

    def release_key(self, key: str) -> None:
        """Let a refused order be tried again; PostgreSQL knows whether it was carried out after all."""
        self._pipeline.send("DEL", f"key:{key}")

    async def close(self) -> None:
        """Drop every connection."""
        await self._redis.aclose()
