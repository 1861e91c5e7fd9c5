"""The engine's Redis: known accounts and idempotency keys. Payments continue when Redis fails."""

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
    """The value of an idempotency key in Redis: the order's digest, and the answer as soon as it is known."""

    digest: str
    answer: dict[str, Any] | None


class Cache:
    """Accounts and idempotency keys in Redis; a failure counts as a miss.

    `observe_seconds` is called with the duration of each look-up.
    """

    def __init__(self, url: str, observe_seconds: Callable[[float], object]) -> None:
        self._observe_seconds = observe_seconds
        self.hits = 0
        self.misses = 0
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            # Try again if a connection was closed while idle, but not if the server is slow.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            decode_responses=True,
        )
        self._pipeline = RedisPipeline(self._redis)
        self._look_ups: deque[bool] = deque(maxlen=_LOOK_UPS_KEPT)

    async def run(self) -> None:
        """Send commands until cancelled; a look-up waits until this runs."""
        await self._pipeline.run()

    @property
    def hit_rate_percent(self) -> float:
        """The percentage of hits among the last thousand account look-ups; 100 before the first."""
        return 100.0 * sum(self._look_ups) / len(self._look_ups) if self._look_ups else 100.0

    async def look_up(self, accounts: list[str], key: str | None, digest: str) -> tuple[list[str], Claim | None]:
        """Claim the key and look up the accounts in one round trip: (missing accounts, earlier claim of the key)."""
        started = time.monotonic()
        claim = [json.dumps([digest, None]), "NX", "GET", "EX", _CLAIM_SECONDS]
        claimed = None if key is None else self._pipeline.call("SET", f"key:{key}", *claim)
        found = await self._pipeline.call("MGET", *(f"account:{account}" for account in accounts))
        earlier = None if claimed is None else await claimed
        self._observe_seconds(time.monotonic() - started)
        hits = [one is not None for one in found or [None] * len(accounts)]
        self._look_ups.extend(hits)
        self.hits += sum(hits)
        self.misses += len(hits) - sum(hits)
        missed = [account for account, hit in zip(accounts, hits, strict=True) if not hit]
        return missed, Claim(*json.loads(earlier)) if earlier else None

    def remember_accounts(self, accounts: Iterable[str]) -> None:
        """Add accounts to the cache."""
        if pairs := [part for account in accounts for part in (f"account:{account}", "1")]:
            self._pipeline.send("MSET", *pairs)

    def remember_answer(self, key: str, digest: str, answer: dict[str, Any]) -> None:
        """Store the answer for repeats of the order. If this fails, a repeat gets its answer from PostgreSQL."""
        self._pipeline.send("SET", f"key:{key}", json.dumps([digest, answer]), "EX", _KEY_SECONDS)

    def release_key(self, key: str) -> None:
        """Allow a refused order to be sent again; PostgreSQL prevents a second booking if it was booked after all."""
        self._pipeline.send("DEL", f"key:{key}")

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()
