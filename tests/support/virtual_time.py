"""A coroutine in virtual time: sleeping takes no time, and the clock of the loop moves from timer to timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import looptime

_Result = TypeVar("_Result")


def loop_time() -> float:
    """Return the seconds since the begin of virtual time."""
    return asyncio.get_running_loop().time()


def in_virtual_time(main: Callable[[], Awaitable[_Result]]) -> _Result:
    """Run a coroutine function in virtual time, which begins at 0."""
    # By default looptime turns 42 more times before each timer. asyncio itself calls all that is ready before it waits.
    loop = looptime.patch_event_loop(asyncio.new_event_loop(), start=0, noop_cycles=0, _enabled=True)
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()
