"""Waiting for some time, without losing a cancellation."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

_Result = TypeVar("_Result")


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


def keep_cancellations() -> None:
    """Let libraries of this process lose no cancellation: under Python 3.11, replace `asyncio.wait_for` for them.

    redis-py calls it for each command, dnspython for each answer, aiosmtplib for each line. A task whose cancellation is
    lost there goes on, and its fault would stay in force after Ctrl-C. Python 3.12 waits as `_wait_for` does, see
    https://github.com/python/cpython/issues/96764.
    """
    if sys.version_info < (3, 12):
        asyncio.wait_for = asyncio.tasks.wait_for = _wait_for  # type: ignore[assignment]  # noqa: TID251


async def _wait_for(fut: Awaitable[_Result], timeout: float | None) -> _Result:  # noqa: ASYNC109 - the names of asyncio
    # A library may wait for no time at all, to take what is there already.
    if timeout is not None and timeout <= 0:
        fut = asyncio.ensure_future(fut)
        if fut.done():
            return fut.result()
    async with asyncio.timeout(timeout):
        return await fut
