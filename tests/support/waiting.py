"""Waiting for another process, which does not notify this one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], Awaitable[bool]], promise: str, seconds: float = 60.0) -> None:
    """Wait until a condition holds; otherwise raises AssertionError with the promise that was not kept."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:g} s: {promise}"
        await asyncio.sleep(0.05)
