from __future__ import annotations

import asyncio

from alertdrill.units.shielding import is_cancelled, to_the_end
from tests.support.virtual_time import in_virtual_time


def test_a_cancellation_counts_also_when_an_error_takes_its_place() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise ValueError

    async def main() -> list[bool]:
        seen = [is_cancelled()]
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.5, task.cancel)
        try:
            await to_the_end(fails())
        except ValueError:
            seen.append(is_cancelled())
        return seen

    assert in_virtual_time(main) == [False, True]


def test_a_time_limit_of_its_own_is_no_cancellation() -> None:
    async def main() -> bool:
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(5)
        except TimeoutError:
            return is_cancelled()
        raise AssertionError

    assert not in_virtual_time(main)
