"""Redis: accounts and idempotency keys. A cache that fails costs time, never a payment."""

from __future__ import annotations

import json
from collections import deque

import redis.asyncio as redis
from redis.exceptions import RedisError

_LIFETIME_SECONDS = 24 * 3600


class Cache:
    """Remembers which accounts exist and how payments with an idempotency key ended."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._looked_up: deque[bool] = deque(maxlen=1000)

    @property
    def hit_rate_percent(self) -> float:
        """The share of the last 1,000 account look-ups that Redis answered; 100 before the first."""
        return 100.0 * sum(self._looked_up) / len(self._looked_up) if self._looked_up else 100.0

    async def look_up(self, accounts: tuple[str, str], key: str | None) -> tuple[list[str], dict[str, str] | None]:
        """Ask in one round trip which accounts are not cached, and how a key's payment ended."""
        names = [f"account:{account}" for account in accounts] + ([f"key:{key}"] if key else [])
        try:
            values = await self._client.mget(names)
        except (RedisError, OSError, TimeoutError):
            values = [None] * len(names)
        self._looked_up.extend(value is not None for value in values[:2])
        unknown = [account for account, value in zip(accounts, values, strict=False) if value is None]
        earlier = json.loads(values[2]) if key and values[2] is not None else None
        return unknown, earlier

    async def remember_accounts(self, accounts: list[str]) -> None:
        """Cache that accounts exist."""
        try:
            await self._client.mset({f"account:{account}": "1" for account in accounts})
        except (RedisError, OSError, TimeoutError):
            return

    async def remember_payment(self, key: str, answer: dict[str, str]) -> None:
        """Cache how the payment of a key ended."""
        try:
            await self._client.set(f"key:{key}", json.dumps(answer), ex=_LIFETIME_SECONDS)
        except (RedisError, OSError, TimeoutError):
            return
