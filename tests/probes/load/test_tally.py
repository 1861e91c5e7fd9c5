"""The counts of seconds, of workers and of the whole load agree, and none is lost."""

from __future__ import annotations

import asyncio
import copy
import gc
import math
import pickle
import weakref
from collections import Counter

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from alertdrill.probes.client import AwaitedClient, startable
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.load.second_counter import Samples, SecondCounter, SecondCounts
from alertdrill.probes.load.tally import Distribution, Tally, together
from alertdrill.probes.outcome import NamedRequest, Outcome, Reason
from tests.probes.virtual_service import Service
from tests.support.virtual_time import in_virtual_time

REASONS = st.sampled_from(["refused", "reset", "timeout", "tls", "bad_answer", "check", "unreachable", None])
SECONDS = st.floats(min_value=0, max_value=3000)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    reason: Reason | None = draw(REASONS)
    checks = tuple(draw(st.sets(st.sampled_from("abc"), min_size=1))) if reason == "check" else ()
    refused = draw(st.booleans()) if reason in {None, "check"} else False
    requests = tuple(
        NamedRequest(name, draw(SECONDS), draw(st.booleans())) for name in draw(st.lists(st.sampled_from("xy")))
    )
    return Outcome(reason, "why" if reason else "", checks, refused, requests)


@st.composite
def seconds(draw: st.DrawFn, offset: int = 0) -> SecondCounts:
    """Draw a second as the counter returns it."""
    counter = SecondCounter()
    for outcome in draw(st.lists(outcomes(), max_size=8)):
        counter.sent(draw(SECONDS))
        counter.ended(outcome, draw(SECONDS), draw(SECONDS))
    for _ in range(draw(st.integers(0, 3))):
        counter.sent(draw(SECONDS))
    for _ in range(draw(st.integers(0, 3))):
        counter.dropped()
    return counter.close(offset, 5.0, [], is_whole=True)


def figures(tally: Tally) -> dict[str, object]:
    counts = {name: value for name, value in vars(tally).items() if isinstance(value, int | Counter)}
    counts["failed by name"] = {name: request.failed for name, request in tally.requests.items()}
    every = {"latency": tally.latencies, "duration": tally.durations, "lateness": tally.lateness}
    every |= {name: request.durations for name, request in tally.requests.items()}
    for name, distribution in every.items():
        counts[name] = [distribution.count, *map(distribution.percentile_seconds, (0, 50, 99, 100))]
        counts[f"sum of {name}"] = pytest.approx(distribution.sum_seconds)
    return counts


@settings(deadline=None, max_examples=50)
@given(one=seconds(), other=seconds())
def test_a_second_of_two_workers_is_the_sum_of_theirs(one: SecondCounts, other: SecondCounts) -> None:
    """Also after they were sent between processes."""
    both, together, apart = pickle.loads(pickle.dumps(copy.deepcopy(one))), Tally(), Tally()  # noqa: S301 - our own
    both.add(pickle.loads(pickle.dumps(other)))  # noqa: S301 - our own
    together.add(both)
    apart.add(one)
    in_flight_of_one = apart.in_flight
    apart.add(other)
    apart.in_flight += in_flight_of_one
    apart.most_in_flight = one.most_in_flight + other.most_in_flight
    assert figures(together) == figures(apart)
    assert together.due == (
        together.succeeded + together.failed + together.dropped + together.lost + together.in_flight
    )


@given(outcomes())
def test_a_transaction_has_failed_exactly_when_it_has_a_reason(outcome: Outcome) -> None:
    counter = SecondCounter()
    counter.sent(0.0)
    counter.ended(outcome, 0.5, 0.25)
    second = counter.close(3, 1.0, [], is_whole=True)
    assert (second.due, second.ended, second.in_flight) == (1, 1, 0)
    assert dict(second.reasons) == ({outcome.reason: 1} if outcome.reason else {})
    assert second.failed == len(second.reasons) == len(second.details)
    assert second.latencies == Samples(Counter({500_000: 1}), 0.5)


@given(values=st.lists(st.integers(1, 50), min_size=1), percentile=st.sampled_from([0, 1, 50, 90, 95, 99, 100]))
def test_a_quantile_is_the_nearest_rank(values: list[int], percentile: int) -> None:
    samples = Samples(Counter(value * 1000 for value in values))
    rank = max(math.ceil(percentile * len(values) / 100), 1)
    assert samples.quantiles_seconds(percentile) == [sorted(values)[rank - 1] / 1000]


def test_failures_without_an_answer_are_counted_by_themselves() -> None:
    tally, counter = Tally(), SecondCounter()
    reasons: tuple[Reason | None, ...] = (
        *("refused", "reset", "timeout", "unreachable"),
        *("check", "bad_answer", "tls", None),
    )
    for reason in reasons:
        counter.sent(0.0)
        counter.ended(Outcome(reason, "why" if reason else ""), 0.1, 0.1)
    tally.add(counter.close(0, 8.0, [], is_whole=True))
    assert (tally.seconds[0].failed, tally.seconds[0].unanswered) == (7, 4)


def test_the_first_traces_of_failures_are_kept_also_of_several_workers() -> None:
    def worker(name: str, count: int) -> SecondCounts:
        counter = SecondCounter()
        for number in range(count):
            counter.sent(0.0)
            counter.ended(Outcome("check", trace_id=f"{name}{number}"), 0.1, 0.1)
        return counter.close(0, 1.0, [], is_whole=True)

    tally, second = Tally(), worker("a", 2)
    second.add(worker("b", 1))
    tally.add(second)
    assert tally.failed_traces == ["a0", "a1", "b0"]
    tally.add(worker("c", 300))
    tally.add(worker("d", 1))
    assert tally.failed_traces == ["a0", "a1", "b0", *(f"c{number}" for number in range(97))]


def test_a_cancelled_load_finishes_adding_its_last_second() -> None:
    service = Service(lambda number: 0.001 + number * 2e-5)
    running: list[asyncio.Future[None]] = []
    # The ids are handed over just before the second is added.
    cancel = lambda _: running[0].cancel()  # noqa: E731
    load = Load(service, LoadPlan(ConstantArrivals(2000.0, 0.9)), cancel, service.clock)

    async def main() -> None:
        running.append(asyncio.ensure_future(load.run()))
        with pytest.raises(asyncio.CancelledError):
            await running[0]

    in_virtual_time(main)
    assert load.tally.latencies.count == load.tally.succeeded == load.tally.due == 1800


def test_running_transactions_of_an_awaited_client_are_cancelled_at_the_end() -> None:
    ended: list[Outcome] = []
    broken_off: list[int] = []

    class Waiting:
        async def transact(self) -> Outcome:
            try:
                await asyncio.sleep(1.0 if len(ended) < 1 else 60.0)
            except asyncio.CancelledError:
                broken_off.append(1)
                raise
            return Outcome()

    async def main() -> None:
        client: AwaitedClient = Waiting()
        async with startable(client) as ours:
            ours.start(ended.append)
            await asyncio.sleep(2.0)
            ours.start(ended.append)
            ours.start(ended.append)
            await asyncio.sleep(2.0)
            assert ours.take_acknowledged() == []

    in_virtual_time(main)
    assert (ended, broken_off) == ([Outcome()], [1, 1])


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_long_load_keeps_its_last_seconds_and_counts_all(*, is_whole: bool) -> None:
    tally = Tally()
    tally.kept_seconds = 10
    kept = tally.seconds if is_whole else tally.parts
    for offset in range(100):
        counter = SecondCounter()
        counter.dropped()
        tally.add(counter.close(offset, 5.0, [], is_whole=is_whole))
        assert [second.offset for second in kept][-10:] == list(range(max(0, offset - 9), offset + 1))
        assert len(kept) <= 15
    assert (tally.due, tally.dropped) == (100, 100)


def test_durations_leave_memory_without_the_garbage_collector() -> None:
    """It rarely comes by: a few large objects of each scrape would add up to tens of megabytes until then."""
    one, other = Distribution(), Distribution()
    one.histogram.record_value(7)
    other.histogram.record_value(9)
    gc.disable()
    try:
        histogram = weakref.ref(together([one, other]).histogram)
        assert histogram() is None
    finally:
        gc.enable()
    assert HdrHistogram.decode(one.histogram.encode()).get_max_value() == 7


async def test_a_reader_can_wait_until_a_second_is_complete() -> None:
    counter, tally = SecondCounter(), Tally()
    for number in range(1000):
        counter.sent(0.0)
        counter.ended(Outcome("reset", "gone"), number / 1000, number / 1000)

    async def add() -> None:
        for _ in tally.folding(counter.close(0, 1000.0, [], is_whole=True)):
            await asyncio.sleep(0)

    adding = asyncio.ensure_future(add())
    await asyncio.sleep(0)
    assert (tally.failed, tally.durations.count) == (1000, 0)
    await tally.whole()
    assert (tally.failed, tally.durations.count) == (1000, 1000)
    await adding
