"""Finishing work in spite of a cancellation, and not forgetting the cancellation because of an error."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work to its end; a cancellation takes effect after that."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001 - task.result() below raises it
            break
    task.result()
    if cancelled is not None:
        raise cancelled


def is_cancelled() -> bool:
    """Whether somebody asked the current task to end, also if an error at the same moment took the place of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
