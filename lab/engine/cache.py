"""The engine's Redis: known accounts and idempotency keys; it may fail, and payments go on."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

_T = TypeVar("_T")

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

    def __init__(self, url: str, took: Callable[[float], object]) -> None:
        self._took = took
        self.hits = 0
        self.misses = 0
        self._redis = redis.Redis(
            connection_pool=redis.BlockingConnectionPool.from_url(
                url,
                max_connections=128,
                timeout=_PATIENCE_SECONDS,
                socket_timeout=_PATIENCE_SECONDS,
                socket_connect_timeout=_PATIENCE_SECONDS,
                # One more try for a connection that died while idle, none for a slow server.
                retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
                decode_responses=True,
            )
        )
        self._look_ups: deque[bool] = deque(maxlen=_LOOK_UPS_KEPT)

    @property
    def hit_rate_percent(self) -> float:
        """The share of hits among the last account look-ups; 100 before the first."""
        return 100.0 * sum(self._look_ups) / len(self._look_ups) if self._look_ups else 100.0

    async def look_up(self, accounts: list[str], key: str | None, digest: str) -> tuple[list[str], Claim | None]:
        """Claim the key and find the accounts in one round trip: (accounts missed, who had the key before)."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.mget([f"account:{account}" for account in accounts])
        if key is not None:
            pipeline.set(f"key:{key}", json.dumps([digest, None]), nx=True, get=True, ex=_CLAIM_SECONDS)
        started = time.monotonic()
        answers = await _or_none(pipeline.execute())
        self._took(time.monotonic() - started)
        found = answers[0] if answers else [None] * len(accounts)
        self._look_ups.extend(one is not None for one in found)
        missed = [account for account, one in zip(accounts, found, strict=True) if one is None]
        self.misses += len(missed)
        self.hits += len(accounts) - len(missed)
        held = answers[1] if answers and key is not None else None
        return missed, Claim(*json.loads(held)) if held else None

    async def remember_accounts(self, accounts: list[str]) -> None:
        """Put accounts into the cache."""
        if accounts:
            await _or_none(self._redis.mset({f"account:{account}": "1" for account in accounts}))

    async def remember_answer(self, key: str, digest: str, answer: dict[str, Any]) -> None:
        """Keep the answer, to give it again to whoever repeats the order."""
        await _or_none(self._redis.set(f"key:{key}", json.dumps([digest, answer]), ex=_KEY_SECONDS))

    async def release_key(self, key: str) -> None:
        """Let a refused order be tried again; PostgreSQL knows whether it was carried out after all."""
        await _or_none(self._redis.delete(f"key:{key}"))

    async def close(self) -> None:
        """Drop every connection."""
        await self._redis.aclose()


async def _or_none(answer: Awaitable[_T]) -> _T | None:
    try:
        return await answer
    except (RedisError, OSError, TimeoutError):
        return None
