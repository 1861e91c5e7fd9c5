"""Sends the Redis commands of many callers together.

Only one round trip is in progress at a time; commands that arrive during it go with the next one. A round trip costs
several times as much as a command, and the busier the engine is, the more commands share it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import redis.asyncio as redis

_MOST = 1000

Command = tuple[object, ...]


class RedisPipeline:
    """Results are None when Redis fails. A caller waits for at most the current round trip and the next one."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._waiting: list[tuple[Command, asyncio.Future[Any] | None]] = []
        self._has_commands = asyncio.Event()

    def call(self, *command: object) -> asyncio.Future[Any]:
        """Send a command; returns a future with its answer."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        self._has_commands.set()
        return future

    def send(self, *command: object) -> None:
        """Send a command and ignore its answer."""
        self._waiting.append((command, None))
        self._has_commands.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._has_commands.wait()
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            if not self._waiting:
                self._has_commands.clear()
            answers = await self._execute([command for command, _ in batch])
            for (_, future), answer in zip(batch, answers, strict=True):
                if future is not None and not future.done():
                    future.set_result(None if isinstance(answer, Exception) else answer)

    async def _execute(self, commands: list[Command]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            return list(await pipeline.execute(raise_on_error=False))
        except Exception:  # noqa: BLE001 - any error of the Redis client: payments continue
            return [None] * len(commands)
