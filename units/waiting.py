"""Waiting for an event for some time."""

from __future__ import annotations

import asyncio


async def set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event for at most some seconds (None: for ever); return whether it was set.

    A cancellation is never lost: `asyncio.wait_for` of Python 3.11 returns in spite of it if the event is set meanwhile.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        # It may have been set at the last moment.
        return event.is_set()
    return True
