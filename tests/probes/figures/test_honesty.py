"""A load is honest when it was sent as planned, in time; each limit has its own reason."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.figures.honesty import Sending, honesty
from alertdrill.probes.load.arrivals import Arrivals, ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.load.poisson import PoissonArrivals
from alertdrill.probes.load.ramping import RampingArrivals, Stage
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.outcome import Outcome
from tests.support.virtual_time import in_virtual_time, loop_time

ALL_WELL: dict[str, Any] = {
    "target_rate": 100.0,
    "achieved_rate": 100.0,
    "due": 1000,
    "dropped": 0,
    "lost": 0,
    "lateness_p99_seconds": 0.001,
}
UP_AND_DOWN = RampingArrivals(0.0, (Stage(5.0, 200.0), Stage(5.0, 200.0), Stage(5.0, 0.0)))


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, ()),
        ({"dropped": 10, "achieved_rate": 99.0}, ()),
        ({"dropped": 11, "achieved_rate": 98.9}, ("dropped 11 of 1000 transactions, more than 1 %",)),
        ({"lost": 11}, ("dropped 0 of 1000 transactions and lost 11 with a worker, more than 1 %",)),
        (
            {"dropped": 6, "lost": 5},
            ("dropped 6 of 1000 transactions and lost 5 with a worker, more than 1 %",),
        ),
        ({"achieved_rate": 95.0}, ()),
        ({"achieved_rate": 94.9}, ("reached 94.9 transactions a second of 100, less than 95 %",)),
        ({"lateness_p99_seconds": 0.5}, ()),
        (
            {"lateness_p99_seconds": 0.61},
            ("was sent late: p99 0.61 s behind its schedule, more than 0.5 s",),
        ),
        ({"lateness_p99_seconds": None}, ()),
        ({"due": 0}, ("did not run: no transaction was due",)),
    ],
)
def test_each_limit_has_its_reason(change: dict[str, Any], reasons: tuple[str, ...]) -> None:
    found = honesty(Sending(**(ALL_WELL | change)))
    assert found.reasons == reasons
    assert found.is_honest == (not reasons)


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.floats(0, 2))
def test_one_broken_limit_is_enough(due: int, unsent: int, late: float) -> None:
    rates = {"target_rate": due / 10, "achieved_rate": max(due - unsent, 0) / 10}
    found = honesty(Sending(**rates, due=due, dropped=unsent, lost=0, lateness_p99_seconds=late))
    assert found.is_honest == (unsent <= 0.01 * due and late <= 0.5)


class _Service:
    """Answers after a delay, by the loop's clock."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds

    async def transact(self) -> Outcome:
        await asyncio.sleep(self._delay_seconds)
        return Outcome()


def _sent(arrivals: Arrivals, delay_seconds: float = 0.01, max_in_flight: int = 10_000) -> Tally:
    """Run a load to its end in virtual time."""
    load = Load(_Service(delay_seconds), LoadPlan(arrivals, max_in_flight), clock=loop_time)
    in_virtual_time(load.run)
    return load.tally


@pytest.mark.parametrize(
    "arrivals",
    [
        ConstantArrivals(20.0, 7.5),
        UP_AND_DOWN,
        RampingArrivals(100.0, (Stage(8.0, 0.0),)),
        PoissonArrivals(ConstantArrivals(5.0, 12.0), 1),
        PoissonArrivals(UP_AND_DOWN, 3),
    ],
)
def test_a_load_sent_in_time_is_honest_also_when_its_rate_varies(arrivals: Arrivals) -> None:
    """Random arrivals may be far fewer or more than their mean; the load is honest all the same."""
    assert honesty(Sending.of(_sent(arrivals), arrivals.duration_seconds or 0)).reasons == ()


def test_a_ramp_that_was_not_sent_is_not_honest() -> None:
    tally = _sent(UP_AND_DOWN, delay_seconds=2.0, max_in_flight=100)
    first, second = honesty(Sending.of(tally, 15.0)).reasons
    assert first.startswith(f"dropped {tally.dropped} of 2000 transactions")
    assert second.startswith("reached ")
    assert "of 133.333" in second


def test_the_target_rate_of_a_second_is_the_mean_of_its_ramp() -> None:
    """So the target rates of all seconds add up to the number of transactions due."""
    seconds = _sent(UP_AND_DOWN).seconds
    assert [second.target_rate for second in seconds[:5]] == pytest.approx([20, 60, 100, 140, 180])
    assert sum(second.target_rate for second in seconds) == pytest.approx(UP_AND_DOWN.area_by(len(seconds)))
    assert [second.due for second in seconds] == pytest.approx([second.target_rate for second in seconds], abs=1)
