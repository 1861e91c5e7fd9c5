"""The open loop in virtual time, where every instant is exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan, running
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.outcome import Outcome
from tests.support.virtual_time import in_virtual_time, loop_time


class Service:
    """Answers after a delay that may depend on the instant of the request."""

    def __init__(self, delay_seconds: Callable[[float], float], outcome: Outcome | None = None) -> None:
        self._delay_seconds = delay_seconds
        self._outcome = outcome or Outcome()

    async def transact(self) -> Outcome:
        await asyncio.sleep(self._delay_seconds(loop_time()))
        return self._outcome


def run(service: Service, rate: float, seconds: float, max_in_flight: int = 10_000) -> Load:
    load = Load(service, LoadPlan(ConstantArrivals(rate), max_in_flight), clock=loop_time)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await load.run()

    in_virtual_time(main)
    return load


def test_a_slow_service_does_not_slow_the_schedule() -> None:
    tally = run(Service(lambda _: 30.0), rate=50, seconds=10.5).tally
    assert [second.due for second in tally.seconds] == [50] * 10
    assert tally.seconds[-1].in_flight == pytest.approx(500, abs=1)


def test_every_transaction_has_one_outcome() -> None:
    tally = run(Service(lambda now: now % 0.7, Outcome("reset", "gone")), rate=97, seconds=20.3).tally
    broken_off = tally.due - tally.succeeded - tally.failed - tally.dropped
    assert tally.due == pytest.approx(97 * 20.3, abs=1)
    assert tally.succeeded == 0
    assert tally.reasons == {"reset": tally.failed}
    assert 0 <= broken_off < 97


def test_transactions_that_cannot_be_sent_are_counted_as_dropped() -> None:
    tally = run(Service(lambda _: 60.0), rate=100, seconds=5.5, max_in_flight=120).tally
    assert tally.dropped == tally.due - 120


def test_latency_counts_from_the_due_time() -> None:
    tally = run(Service(lambda _: 0.25), rate=20, seconds=30).tally
    for percentile in (50, 99):
        latency = tally.latencies.percentile_seconds(percentile)
        assert latency == pytest.approx(0.25, abs=0.003)


@pytest.mark.parametrize(("seconds", "whole", "in_part"), [(4.0, 4, 0), (3.5, 3, 5)])
def test_full_seconds_and_the_last_part_add_up_to_the_load(seconds: float, whole: int, in_part: int) -> None:
    """The last second is a full one although its last answer comes before its end."""
    load = Load(Service(lambda _: 0.01), LoadPlan(ConstantArrivals(10, seconds)), clock=loop_time)
    in_virtual_time(load.run)
    tally = load.tally
    assert [second.due for second in tally.seconds] == [10] * whole
    assert sum(part.due for part in tally.parts) == in_part
    assert sum(second.succeeded for second in [*tally.seconds, *tally.parts]) == tally.succeeded == tally.due


def test_an_answer_after_the_last_second_is_in_a_part_of_its_own() -> None:
    load = Load(Service(lambda _: 0.25), LoadPlan(ConstantArrivals(10, 2.0)), clock=loop_time)
    in_virtual_time(load.run)
    assert [second.offset for second in load.tally.seconds] == [0, 1]
    assert [(part.offset, part.due, part.succeeded) for part in load.tally.parts] == [(2, 0, 2)]


def _intervals(service: Service, *bounds: tuple[float, float]) -> tuple[Load, list[Tally]]:
    """Run a load of 97 a second for 12.3 s, and count what happens between instants of it."""
    load, tallies = Load(service, LoadPlan(ConstantArrivals(97.0)), clock=loop_time), [Tally() for _ in bounds]

    async def main() -> None:
        async with running(load):
            for (start, end), tally in zip(bounds, tallies, strict=True):
                await asyncio.sleep(start - loop_time())
                async with load.counting(tally):
                    await asyncio.sleep(end - loop_time())
            await asyncio.sleep(12.3 - loop_time())

    in_virtual_time(main)
    return load, tallies


def test_intervals_of_a_load_that_meet_add_up_to_all_of_it() -> None:
    """But for the first transaction, which is sent before the first interval begins."""
    bounds = [(0.005, 3.25), (3.25, 3.75), (3.75, 8.1), (8.1, 12.3)]
    load, tallies = _intervals(Service(lambda now: 0.1 + now % 0.7, Outcome("reset", "gone")), *bounds)
    assert [tally.due for tally in tallies] == [315, 48, 422, 408]
    assert sum(tally.due for tally in tallies) == load.tally.due - 1
    assert sum(tally.failed for tally in tallies) == load.tally.failed
    assert sum(tally.latencies.count for tally in tallies) == load.tally.latencies.count == load.tally.failed


def test_an_interval_has_the_whole_seconds_within_it_and_no_other() -> None:
    load, (within, later) = _intervals(Service(lambda _: 0.25), (2.5, 6.5), (7.2, 7.7))
    assert [second.offset for second in within.seconds] == [3, 4, 5]
    assert [(part.offset, part.due) for part in within.parts] == [(2, 48), (6, 49)]
    assert (later.seconds, later.due) == ([], 48)
    # What was sent in the last quarter of a second before ends within, and what is sent in its own does not.
    assert within.due == 388
    assert within.due + 24 == within.succeeded + within.in_flight
    assert [second.offset for second in load.tally.seconds] == [0, 1, 3, 4, 5, 8, 9, 10, 11]
