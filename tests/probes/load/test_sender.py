"""The open loop in virtual time: whatever happens to transactions, each one that was due is counted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertdrill.probes.load.arrivals import Arrivals, ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.load.poisson import PoissonArrivals
from alertdrill.probes.load.ramping import RampingArrivals, Stage
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.outcome import Outcome
from tests.probes.virtual_service import Service
from tests.support.virtual_time import in_virtual_time, loop_time

RAMP = RampingArrivals(0.0, (Stage(4.0, 100.0), Stage(2.0, 100.0), Stage(3.0, 0.0)))


def run(
    service: Service, plan: LoadPlan, *events: tuple[float, Callable[[], Any]], cancel_at: float | None = None
) -> Load:
    """Run a load to its end; events happen at instants of the loop."""
    load = Load(service, plan, clock=service.clock)

    async def main() -> None:
        for at, event in events:
            asyncio.get_running_loop().call_at(at, event)
        if cancel_at is None:
            await load.run()
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout_at(cancel_at):
                    await load.run()
        load.took_seconds = loop_time()  # type: ignore[attr-defined]

    in_virtual_time(main)
    return load


def adds_up(tally: Tally) -> bool:
    parts = tally.succeeded + tally.failed + tally.dropped + tally.lost + tally.in_flight
    return tally.due == parts and tally.latencies.count == tally.durations.count == tally.ended


@pytest.mark.parametrize("arrivals", [ConstantArrivals(97.0, 8.0), RAMP, PoissonArrivals(RAMP, 3)])
def test_every_arrival_is_sent_at_its_due_time(arrivals: Arrivals) -> None:
    """Except for the shortest gap between two callbacks, a quarter of a millisecond."""
    service = Service(lambda _: 0.25)
    tally = run(service, LoadPlan(arrivals)).tally
    assert arrivals.total is not None
    due = arrivals.due_times(0, arrivals.total)
    assert len(service.sent) == tally.due == tally.succeeded == arrivals.total
    assert all(-2e-6 <= sent - instant <= 0.0003 for sent, instant in zip(service.sent, due, strict=True))


@pytest.mark.parametrize("arrivals", [ConstantArrivals(100.0, 8.0), RAMP])
def test_each_second_counts_the_transactions_due_in_it(arrivals: Arrivals) -> None:
    tally = run(Service(lambda _: 3.0), LoadPlan(arrivals)).tally
    assert arrivals.total is not None
    due = arrivals.due_times(0, arrivals.total)
    for second in tally.seconds:
        assert second.due == sum(second.offset <= instant < second.offset + 1 for instant in due)
        assert second.target_rate == arrivals.rate_at(second.offset + 0.5)


def test_transactions_beyond_the_limit_in_flight_are_dropped() -> None:
    """Each takes two seconds and ten may be in flight, so five of a hundred a second are sent."""
    service = Service(lambda _: 2.0)
    tally = run(service, LoadPlan(ConstantArrivals(100.0, 10.0), max_in_flight=10)).tally
    assert tally.most_in_flight == 10
    assert tally.succeeded == 50
    assert tally.dropped == 950
    assert adds_up(tally)


def test_most_in_flight_is_the_largest_number_at_any_instant() -> None:
    """Ten a second; the first eight are answered together, just after the eighth was sent."""
    service = Service(lambda number: max(0.75 - number % 10 * 0.1, 0.05))
    tally = run(service, LoadPlan(ConstantArrivals(10.0, 3.0))).tally
    assert [second.in_flight for second in tally.seconds] == [0, 0, 0]
    assert (tally.in_flight, tally.most_in_flight) == (0, 8)


def test_after_a_stall_late_transactions_are_dropped_and_the_schedule_stays() -> None:
    """Stalled from 3.005 s for five seconds: those due until 7.005 s are more than a second late, the others are sent."""
    service = Service(lambda _: 0.1)
    tally = run(
        service,
        LoadPlan(ConstantArrivals(100.0, 15.0)),
        (3.005, lambda: setattr(service.clock, "held_up_seconds", 5.0)),
    ).tally
    assert tally.due == 1500
    assert tally.dropped == 400
    assert tally.succeeded == 1100
    assert [second.due for second in tally.seconds] == [100] * len(tally.seconds)
    assert sum(second.dropped for second in tally.seconds if 3 <= second.offset < 8) == 400
    after = [sent for sent in service.sent if sent > 8.02]
    assert after == pytest.approx([index / 100 for index in range(1500 - len(after), 1500)], abs=0.0003)
    # The lateness counts from the due time, and is at most a second.
    assert tally.lateness.percentile_seconds(100) == pytest.approx(1.0, rel=0.01)


def test_after_the_grace_period_transactions_without_an_answer_stay_in_flight() -> None:
    load = run(
        Service(lambda number: math.inf if number % 2 else 0.1), LoadPlan(ConstantArrivals(10.0, 5.0), 10_000, 1.25)
    )
    assert load.took_seconds == pytest.approx(6.25, abs=0.001)  # type: ignore[attr-defined]
    assert (load.tally.succeeded, load.tally.in_flight) == (25, 25)
    assert adds_up(load.tally)


class CuttingService(Service):
    """A service that can end what is in flight; a transaction is answered in 0.1 s or never."""

    def __init__(self) -> None:
        super().__init__(lambda number: math.inf if number % 2 else 0.1)
        self._open: list[Callable[[Outcome], None]] = []

    def start(self, ended: Callable[[Outcome], None]) -> None:
        if len(self.sent) % 2:
            self._open.append(ended)
        super().start(ended)

    def cut_off(self) -> None:
        for ended in self._open:
            ended(Outcome("unfinished", "late", ("c",)))


def test_after_the_grace_period_transactions_without_an_answer_are_cut_off_and_fail() -> None:
    load = run(CuttingService(), LoadPlan(ConstantArrivals(10.0, 5.0), 10_000, 1.25))
    assert load.took_seconds == pytest.approx(6.25, abs=0.001)  # type: ignore[attr-defined]
    assert (load.tally.succeeded, load.tally.failed, load.tally.in_flight) == (25, 25, 0)
    assert (load.tally.reasons, load.tally.failed_checks, load.tally.answered) == ({"unfinished": 25}, {"c": 25}, 25)
    assert load.tally.refused_requests == 25
    assert adds_up(load.tally)


def test_without_a_grace_period_a_load_ends_with_its_arrivals() -> None:
    load = run(Service(lambda _: math.inf), LoadPlan(ConstantArrivals(10.0, 2.5), 10_000, 0.0))
    assert load.took_seconds == pytest.approx(2.5, abs=0.001)  # type: ignore[attr-defined]
    assert load.tally.in_flight == load.tally.due == 25


@pytest.mark.parametrize(("delay_seconds", "ends_at"), [(0.0, 2.25), (0.02, 2.25), (0.5, 2.7)])
def test_a_load_ends_with_its_duration_or_its_last_answer(delay_seconds: float, ends_at: float) -> None:
    """The last transaction is due after 2.2 seconds."""
    load = run(Service(lambda _: delay_seconds), LoadPlan(ConstantArrivals(10.0, 2.25)))
    assert load.took_seconds == pytest.approx(ends_at, abs=0.001)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "arrivals",
    [
        ConstantArrivals(0.5, 10.0),
        PoissonArrivals(ConstantArrivals(0.5, 10.0), 1),
        RampingArrivals(5.0, (Stage(4.0, 5.0), Stage(6.0, 0.0))),
    ],
)
def test_seconds_without_due_transactions_are_full_seconds_too(arrivals: Arrivals) -> None:
    load = run(Service(lambda _: 0.1), LoadPlan(arrivals))
    assert load.took_seconds == pytest.approx(10.0, abs=0.001)  # type: ignore[attr-defined]
    assert [second.offset for second in load.tally.seconds] == list(range(10))
    assert load.tally.parts == []


REASONS = st.sampled_from([Outcome(), Outcome("reset", "x"), Outcome("timeout", "y"), Outcome("check", "z", ("c",))])


@settings(deadline=None, max_examples=30)
@given(
    arrivals=st.sampled_from([ConstantArrivals(23.0, 4.0), RAMP, PoissonArrivals(ConstantArrivals(20.0, 4.0), 1)]),
    delays=st.lists(st.sampled_from([0.0, 0.001, 0.3, 1.0, 4.7, math.inf]), min_size=1, max_size=9),
    outcomes=st.lists(REASONS, min_size=1, max_size=7),
    bound=st.sampled_from([1, 3, 10_000]),
    grace=st.sampled_from([0.0, 0.4, 3.0]),
    stall=st.none() | st.tuples(st.floats(0, 6), st.floats(0, 6)),
    cancel_at=st.none() | st.floats(min_value=0.0, max_value=3.9),
)
def test_the_counts_always_add_up(  # noqa: PLR0913 - all that can vary at once
    *,
    arrivals: Arrivals,
    delays: list[float],
    outcomes: list[Outcome],
    bound: int,
    grace: float,
    stall: tuple[float, float] | None,
    cancel_at: float | None,
) -> None:
    service = Service(lambda number: delays[number % len(delays)], lambda number: outcomes[number % len(outcomes)])
    hold = lambda: stall and setattr(service.clock, "held_up_seconds", stall[1])  # noqa: E731
    events = [(stall[0], hold)] if stall else []
    tally = run(service, LoadPlan(arrivals, bound, grace), *events, cancel_at=cancel_at if not stall else None).tally
    assert adds_up(tally)
    assert tally.in_flight <= tally.most_in_flight <= bound
    assert sum(tally.reasons.values()) == tally.failed
    assert tally.due - tally.dropped == len(service.sent)
    if cancel_at is None or stall:
        assert tally.due == arrivals.total
    else:
        assert tally.due == pytest.approx(arrivals.due_by(cancel_at), abs=2)
