"""The watch over the machine, in virtual time and with counters of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from alertdrill.agent.drilling.machine import watching
from alertdrill.agent.recording.records import StrainRecord
from alertdrill.units.processor_time import Counters
from tests.agent.drilling.virtual_site import since_start, unix_time
from tests.support.virtual_time import in_virtual_time


def _readings() -> Iterator[Counters]:
    """Yield a busy half second, and then quiet ones."""
    at, idle = 0.0, 0.0
    while True:
        yield Counters(at=at, total=2 * at, idle=idle, stolen=0.0, contended=None, throttled=None, queued=at / 4)
        at += 0.5
        idle = 2 * at - 1.0


def test_each_slice_has_the_shares_of_its_time() -> None:
    async def main() -> list[StrainRecord]:
        readings = _readings()
        async with watching(unix_time, read=lambda: next(readings)) as watch:
            await asyncio.sleep(1.26)
        return watch.slices

    slices = in_virtual_time(main)
    assert [(since_start(one.at), one.busy, one.queued, one.contended) for one in slices] == [
        (0.0, 1.0, 0.25, None),
        (0.5, 0.0, 0.25, None),
    ]


async def test_a_loop_that_is_held_up_shows_in_the_lag() -> None:
    readings = _readings()
    async with watching(time.time, read=lambda: next(readings)) as watch:
        await asyncio.sleep(0)
        time.sleep(0.6)  # noqa: ASYNC251 - it holds up the loop
        while not watch.slices:  # noqa: ASYNC110 - a watch sets no event
            await asyncio.sleep(0.01)
    assert watch.slices[0].loop_lag_seconds >= 0.5


def test_a_long_drill_has_no_more_slices_than_a_short_one() -> None:
    async def main() -> int:
        readings = _readings()
        async with watching(unix_time, 20_000.0, lambda: next(readings)) as watch:
            await asyncio.sleep(10.1)
        return len(watch.slices)

    assert in_virtual_time(main) == 5
