"""A pacer calls back at the instant that was set or a little later, and never before."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import pytest

from alertdrill.probes.load.pacer import Pacer, pacing
from tests.probes.meeting import LOOPS
from tests.support.virtual_time import in_virtual_time, loop_time

# On a busy machine a callback may be very late: only "never before" is exact. A lost callback never comes.
PATIENCE_SECONDS = 60.0


def monotonic() -> float:
    """A clock other than `time.monotonic`, so that the loop's own timers are used."""
    return time.monotonic()


WAYS = {
    "timerfd": {},
    "another clock": {"clock": monotonic},
    "another system": {"platform": "darwin"},
}


class Wakes:
    """Notes the instants of callbacks, and sets the next one."""

    def __init__(self, pacer: Callable[[], Pacer], clock: Callable[[], float], nexts: list[float]) -> None:
        self.instants: list[float] = []
        self._pacer = pacer
        self._clock = clock
        self._nexts = nexts
        self.done = asyncio.Event()

    def __call__(self) -> None:
        self.instants.append(self._clock())
        if self._nexts:
            self._pacer().wake_at(self._nexts.pop(0), math.inf)
        else:
            self._pacer().wake_at(self._clock() + 3600, math.inf)
            self.done.set()


def on_each(loop: str, main: Callable[[], Awaitable[None]]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await main()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(patiently())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
def test_it_calls_back_at_each_instant_and_never_before(loop: str, way: str) -> None:
    async def main() -> None:
        start = time.monotonic()
        asked = [start + 0.0123 * number + 1e-7 for number in range(1, 11)]
        wakes = Wakes(lambda: pacer, time.monotonic, asked[1:])
        with pacing(wakes, **WAYS[way]) as pacer:
            pacer.wake_at(asked[0], math.inf)
            await wakes.done.wait()
        assert len(wakes.instants) == 10
        assert all(woken >= instant for woken, instant in zip(wakes.instants, asked, strict=True))

    on_each(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error_seconds", [0.0, 1e-3, -1e-3, 3600.0, math.inf, -math.inf])
def test_a_right_or_wrong_second_instant_loses_no_callback(loop: str, way: str, error_seconds: float) -> None:
    """The instant after next is mostly right, and wrong after a stall.

    A lost callback would come together with the next one. So each is the last one of a row: nothing comes after it.
    """

    async def row_of(length: int) -> None:
        start = time.monotonic()
        asked = [start + 0.0031 * number + 1e-7 for number in range(1, length + 1)]
        done = asyncio.Event()
        left = list(asked)

        def wake() -> None:
            if time.monotonic() >= left[0]:
                left.pop(0)
            if left:
                wait_for_next()
            else:
                pacer.wake_at(start + 3600, math.inf)
                done.set()

        def wait_for_next() -> None:
            then = max(left[1] + error_seconds, left[0]) if len(left) > 1 else math.inf
            pacer.wake_at(left[0], then)

        with pacing(wake, **WAYS[way]) as pacer:
            wait_for_next()
            await done.wait()

    async def main() -> None:
        for length in range(1, 8):
            await row_of(length)

    on_each(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
def test_only_the_instant_set_last_counts(loop: str, way: str) -> None:
    async def main() -> None:
        start = time.monotonic()
        wakes = Wakes(lambda: pacer, time.monotonic, [])
        with pacing(wakes, **WAYS[way]) as pacer:
            pacer.wake_at(start + 0.01, math.inf)
            pacer.wake_at(start + 3600, math.inf)
            pacer.wake_at(start + 0.05, math.inf)
            await wakes.done.wait()
            await asyncio.sleep(0.02)
        assert len(wakes.instants) == 1
        assert wakes.instants[0] >= start + 0.05

    on_each(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("instant", [0.0, 1e-9, -5.0, "now"])
def test_an_instant_in_the_past_calls_back_at_once(loop: str, way: str, instant: float | str) -> None:
    """Zero would switch a timerfd off."""

    async def main() -> None:
        wakes = Wakes(lambda: pacer, time.monotonic, [])
        with pacing(wakes, **WAYS[way]) as pacer:
            pacer.wake_at(time.monotonic() if isinstance(instant, str) else instant, math.inf)
            assert wakes.instants == []  # not from within
            await wakes.done.wait()

    on_each(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
def test_after_the_block_there_are_no_callbacks(loop: str, way: str) -> None:
    async def main() -> None:
        wakes = Wakes(lambda: pacer, time.monotonic, [])
        with pacing(wakes, **WAYS[way]) as pacer:
            pacer.wake_at(time.monotonic() + 0.01, math.inf)
        await asyncio.sleep(0.03)
        assert wakes.instants == []

    on_each(loop, main)


def test_in_virtual_time_it_calls_back_at_the_exact_instant() -> None:
    asked = [0.25, 1.5, 1.500001, 100.0]
    woken: list[float] = []

    async def main() -> None:
        wakes = Wakes(lambda: pacer, loop_time, asked[1:])
        with pacing(wakes, loop_time) as pacer:
            pacer.wake_at(asked[0], math.inf)
            await wakes.done.wait()
        woken.extend(wakes.instants)

    in_virtual_time(main)
    assert woken == pytest.approx([0.25, 1.5, 1.500001, 100.0], abs=2e-6)
