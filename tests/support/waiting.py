"""Waiting for another process, which does not notify this one, and tasks that run meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any


async def until(holds: Callable[[], Awaitable[bool]], promise: str, seconds: float = 60.0) -> None:
    """Wait until a condition holds; otherwise raises AssertionError with the promise that was not kept."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:g} s: {promise}"
        await asyncio.sleep(0.05)


def wait_until(holds: Callable[[], bool], promise: str, seconds: float = 60.0, *, every_seconds: float = 0.05) -> None:
    """Wait like `until`, in a test without a loop."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {promise}"
        time.sleep(every_seconds)


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something beside the block, and cancel it at the end."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
