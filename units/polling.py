"""Looking again and again until all is well, or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def poll(problem: Callable[[], Awaitable[str]], within_seconds: float, every_seconds: float) -> str:
    """Call `problem` until it returns no text or the time is over; return its last text.

    It is called at least once, once more after the time is over, and less often the longer each call takes.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    deadline = began + within_seconds
    while found := await problem():
        if clock() > deadline:
            break
        await asyncio.sleep(max(every_seconds, clock() - began))
        began = clock()
    return found
