"""Looking again and again until all is well, or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def poll(problem: Callable[[], Awaitable[str]], within_seconds: float, every_seconds: float) -> str:
    """Call `problem` until it returns no text or the time is over; return its last text.

    It is called at least once, and once more after the time is over.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_seconds
    while found := await problem():
        if clock() > deadline:
            break
        await asyncio.sleep(every_seconds)
    return found
