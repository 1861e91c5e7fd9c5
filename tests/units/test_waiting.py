from __future__ import annotations

import asyncio

import pytest

from alertdrill.units.waiting import set_within
from tests.support.virtual_time import in_virtual_time, loop_time


@pytest.mark.parametrize(
    ("set_at", "seconds", "is_set", "took_seconds"),
    [
        (2.0, 5.0, True, 2.0),
        (5.0, 2.0, False, 2.0),
        (2.0, 2.0, True, 2.0),
        (2.0, None, True, 2.0),
        (0.0, 0.0, True, 0.0),
        (1.0, 0.0, False, 0.0),
    ],
)
def test_it_waits_until_the_event_is_set_or_the_time_is_over(
    set_at: float, seconds: float | None, *, is_set: bool, took_seconds: float
) -> None:
    async def main() -> tuple[bool, float]:
        event = asyncio.Event()
        if set_at:
            asyncio.get_running_loop().call_at(set_at, event.set)
        else:
            event.set()
        return await set_within(event, seconds), loop_time()

    assert in_virtual_time(main) == (is_set, took_seconds)


@pytest.mark.parametrize("turns", range(4))
def test_a_cancellation_is_not_lost_when_the_event_is_set_at_the_same_moment(turns: int) -> None:
    async def main() -> bool:
        event = asyncio.Event()
        waiting = asyncio.ensure_future(set_within(event, 5.0))
        await asyncio.sleep(1)
        event.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        was_done = waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        return was_done or waiting.cancelled()

    assert in_virtual_time(main)
