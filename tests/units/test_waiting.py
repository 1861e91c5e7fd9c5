from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from alertdrill.units.waiting import keep_cancellations, set_within
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


@pytest.fixture
def kept(wait_for_given_back: None) -> None:  # noqa: ARG001 - only its end matters
    """What a command does as it starts, for the length of a test."""
    keep_cancellations()


async def as_libraries_wait(event: asyncio.Event, seconds: float) -> bool:
    return await asyncio.wait_for(event.wait(), seconds)  # noqa: TID251


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("wait", [set_within, as_libraries_wait])
@pytest.mark.parametrize("turns", range(4))
def test_a_cancellation_is_not_lost_when_the_event_is_set_at_the_same_moment(
    wait: Callable[[asyncio.Event, float], Coroutine[Any, Any, bool]], turns: int
) -> None:
    async def main() -> bool:
        event = asyncio.Event()
        waiting = asyncio.ensure_future(wait(event, 5.0))
        await asyncio.sleep(1)
        event.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        was_done = waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        return was_done or waiting.cancelled()

    assert in_virtual_time(main)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("answers_at", "seconds", "expected", "took_seconds"),
    [
        (2.0, 5.0, "answer", 2.0),
        (5.0, 2.0, None, 2.0),
        (2.0, None, "answer", 2.0),
        (0.0, 0.0, "answer", 0.0),
        (1.0, 0.0, None, 0.0),
        (1.0, -1.0, None, 0.0),
    ],
)
def test_a_library_waits_for_its_answer_or_until_the_time_is_over(
    answers_at: float, seconds: float | None, expected: str | None, took_seconds: float
) -> None:
    async def main() -> tuple[str | None, float, bool]:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if answers_at:
            asyncio.get_running_loop().call_at(answers_at, lambda: answer.done() or answer.set_result("answer"))
        else:
            answer.set_result("answer")
        try:
            found: str | None = await asyncio.wait_for(answer, seconds)  # noqa: TID251
        except TimeoutError:
            found = None
        return found, loop_time(), answer.cancelled()

    assert in_virtual_time(main) == (expected, took_seconds, expected is None)
