"""Threads for work that may take long: enough that no fault waits for another one that hangs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_THREADS = ThreadPoolExecutor(max_workers=256, thread_name_prefix="fault")


async def in_thread(
    work: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """Run work in a thread; it must have a time limit, because it goes on when this is cancelled."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: work(*args, **kwargs))


async def in_own_thread(work: Callable[[], _Result], name: str) -> _Result:
    """Run work in a new thread, which uses none of those for faults, and for which the end of the process does not wait."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not done.done():
            settled()

    def run() -> None:
        try:
            settled = partial(done.set_result, work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            settled = partial(done.set_exception, error)
        # The loop may have ended before this thread.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
