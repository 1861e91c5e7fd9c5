"""Looking again and again, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from alertdrill.units.polling import poll
from tests.support.virtual_time import in_virtual_time, loop_time


class Problem:
    """Is there until an instant, and takes time to look at."""

    def __init__(self, until_seconds: float, takes_seconds: float = 0.0) -> None:
        self.until_seconds = until_seconds
        self.takes_seconds = takes_seconds
        self.looked_at: list[float] = []

    async def __call__(self) -> str:
        now = loop_time()
        self.looked_at.append(now)
        await asyncio.sleep(self.takes_seconds)
        return "not ready" if now < self.until_seconds else ""


def polled(problem: Problem, within_seconds: float) -> str:
    return in_virtual_time(lambda: poll(problem, within_seconds, every_seconds=1))


def test_it_looks_until_all_is_well() -> None:
    problem = Problem(until_seconds=2.5)
    assert polled(problem, 10) == ""
    assert problem.looked_at == pytest.approx([0, 1, 2, 3])


def test_it_looks_once_more_after_the_time_is_over() -> None:
    problem = Problem(until_seconds=60)
    assert polled(problem, 2.5) == "not ready"
    assert problem.looked_at == pytest.approx([0, 1, 2, 3])


def test_without_any_time_it_looks_at_least_once() -> None:
    problem = Problem(until_seconds=0)
    assert polled(problem, 0) == ""
    assert problem.looked_at == pytest.approx([0])


def test_it_looks_less_often_the_longer_a_look_takes() -> None:
    problem = Problem(until_seconds=11, takes_seconds=3)
    assert polled(problem, 60) == ""
    assert problem.looked_at == pytest.approx([0, 6, 12])
