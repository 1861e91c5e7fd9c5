from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.load.arrivals import Arrivals, ConstantArrivals, Shard, Until
from alertdrill.probes.load.poisson import PoissonArrivals
from alertdrill.probes.load.ramping import RampingArrivals, Stage

RATES = st.integers(min_value=1, max_value=10**7).map(lambda hundredths: hundredths / 100)
SECONDS = st.integers(min_value=1, max_value=86_400_000).map(lambda milliseconds: milliseconds / 1000)
STAGES = st.builds(Stage, st.just(0.0) | SECONDS, st.just(0.0) | RATES)
CONSTANT = st.builds(ConstantArrivals, RATES, st.none() | SECONDS)
RAMPING = st.builds(RampingArrivals, st.just(0.0) | RATES, st.lists(STAGES, min_size=1, max_size=6).map(tuple)).filter(
    lambda arrivals: arrivals.total > 0
)
POISSON = st.builds(PoissonArrivals, CONSTANT | RAMPING, st.integers()).filter(lambda arrivals: arrivals.total != 0)
WHOLE = CONSTANT | RAMPING | POISSON
SHARDS = st.builds(Shard, WHOLE, st.integers(min_value=0, max_value=2), st.just(3)).filter(
    lambda shard: shard.total != 0
)
KINDS = WHOLE | SHARDS

NINE_STAGES = RampingArrivals(
    0.0,
    tuple(
        Stage(minutes * 60.0, target)
        for minutes, target in (
            (2, 100.0), (5, 100.0), (2, 500.0), (5, 500.0), (2, 1000.0),
            (5, 1000.0), (2, 2000.0), (10, 2000.0), (2, 0.0),
        )
    ),
)  # fmt: skip


def indexes(arrivals: Arrivals) -> st.SearchStrategy[int]:
    return st.integers(min_value=0, max_value=10**9 if arrivals.total is None else arrivals.total - 1)


def written(number: float) -> Fraction:
    return Fraction(str(number))


def area(arrivals: RampingArrivals, seconds: Fraction) -> Fraction:
    """Add up the trapezia under the stages, without rounding."""
    total, start, rate = Fraction(0), Fraction(0), written(arrivals.start_rate)
    for stage in arrivals.stages:
        duration, target = written(stage.duration_seconds), written(stage.target_rate)
        gone = min(max(seconds - start, Fraction(0)), duration)
        reached = rate + (target - rate) * gone / duration if duration else target
        total += gone * (rate + reached) / 2
        start, rate = start + duration, target
    return total


@given(RATES, st.integers(min_value=0, max_value=10**7))
def test_at_its_due_time_a_transaction_is_due_and_the_next_is_not(rate: float, index: int) -> None:
    arrivals = ConstantArrivals(rate)
    assert arrivals.due_by(arrivals.due_seconds(index)) == index + 1


@given(st.data(), KINDS)
def test_the_count_at_a_due_time_includes_its_transaction(data: st.DataObject, arrivals: Arrivals) -> None:
    due = arrivals.due_seconds(data.draw(indexes(arrivals)))
    count = arrivals.due_by(due)
    assert arrivals.due_seconds(count - 1) == due < arrivals.due_seconds(count)


@given(KINDS, st.floats(min_value=-1, max_value=600_000))
def test_transactions_counted_by_an_instant_are_due_by_then(arrivals: Arrivals, elapsed: float) -> None:
    count = arrivals.due_by(elapsed)
    assert count == 0 or arrivals.due_seconds(count - 1) <= elapsed
    assert elapsed < arrivals.due_seconds(count)


@given(st.data(), KINDS)
def test_due_times_never_descend(data: st.DataObject, arrivals: Arrivals) -> None:
    first = data.draw(indexes(arrivals))
    times = arrivals.due_times(first, first + 20)
    assert times[0] >= 0
    assert all(before <= after for before, after in pairwise(times))


@given(st.data(), KINDS, st.integers(min_value=1, max_value=5))
def test_a_list_of_due_times_equals_the_single_due_times(data: st.DataObject, arrivals: Arrivals, step: int) -> None:
    first = data.draw(indexes(arrivals))
    one_by_one = [arrivals.due_seconds(index) for index in range(first, first + 20, step)]
    assert arrivals.due_times(first, first + 20, step) == [due for due in one_by_one if due < math.inf]


@given(KINDS)
def test_the_last_transaction_is_due_before_the_end_and_none_after_it(arrivals: Arrivals) -> None:
    if arrivals.total is None or arrivals.duration_seconds is None:
        assert arrivals.total is arrivals.duration_seconds
        return
    assert arrivals.rate_at(arrivals.duration_seconds) == 0.0
    assert arrivals.due_seconds(arrivals.total - 1) <= arrivals.duration_seconds
    assert arrivals.due_seconds(arrivals.total) == math.inf
    assert arrivals.due_by(1e12) == arrivals.due_by(arrivals.duration_seconds) == arrivals.total


@given(RATES, st.integers(min_value=0, max_value=10**9))
def test_a_constant_rate_does_not_drift(rate: float, index: int) -> None:
    assert ConstantArrivals(rate).due_seconds(index) == float(index / Fraction(rate))


@given(st.data(), RAMPING)
def test_a_ramp_does_not_drift(data: st.DataObject, arrivals: RampingArrivals) -> None:
    """At each due time the exact area equals the index, except for the last digits of the floats."""
    index = data.draw(indexes(arrivals))
    due = arrivals.due_seconds(index)
    peak = max(arrivals.start_rate, *(stage.target_rate for stage in arrivals.stages))
    assert abs(area(arrivals, Fraction(due)) - index) <= 4 * (peak * math.ulp(due) + math.ulp(float(index)))


@given(RAMPING, st.floats(min_value=0, max_value=600_000))
def test_the_total_is_the_area_under_the_rate(arrivals: RampingArrivals, elapsed: float) -> None:
    exact = area(arrivals, Fraction(elapsed))
    assert arrivals.total == math.ceil(area(arrivals, Fraction(10**9)))
    assert abs(arrivals.due_by(elapsed) - exact) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("rate", "seconds", "total"),
    [(100.0, 20.0, 2000), (1.1, 10.0, 11), (0.1, 10.0, 1), (0.3, 10.0, 3), (7.0, 0.5, 4), (0.01, 1.0, 1)],
)
def test_the_total_of_a_constant_rate_is_rate_times_duration(rate: float, seconds: float, total: int) -> None:
    constant = ConstantArrivals(rate, seconds)
    assert constant.total == total
    assert constant.due_seconds(0) == 0.0
    assert constant.due_seconds(total - 1) < seconds
    assert RampingArrivals(rate, (Stage(seconds, rate),)).due_times(0, 9999) == pytest.approx(
        constant.due_times(0, 9999)
    )


def test_the_nine_stages_have_the_total_of_their_areas() -> None:
    """A stage sends its seconds times the mean of its two rates.

    120·50 + 300·100 + 120·300 + 300·500 + 120·750 + 300·1000 + 120·1500 + 600·2000 + 120·1000
    = 6,000 + 30,000 + 36,000 + 150,000 + 90,000 + 300,000 + 180,000 + 1,200,000 + 120,000 = 2,112,000
    """
    firsts = [0, 6_000, 36_000, 72_000, 222_000, 312_000, 612_000, 792_000, 1_992_000]
    assert NINE_STAGES.total == 2_112_000
    assert NINE_STAGES.duration_seconds == 35 * 60
    assert [NINE_STAGES.due_seconds(n) for n in firsts] == [0, 120, 420, 540, 840, 960, 1260, 1380, 1980]
    assert NINE_STAGES.due_seconds(2_111_999) == pytest.approx(2100 - math.sqrt(2 * 120 / 2000), rel=1e-15)


@pytest.mark.parametrize(
    ("seconds", "rate"), [(-1, 0), (0, 0), (60, 50), (120, 100), (480, 300), (1979, 2000), (2040, 1000), (2100, 0)]
)
def test_the_target_rate_follows_the_stages(seconds: float, rate: float) -> None:
    assert NINE_STAGES.rate_at(seconds) == pytest.approx(rate)


def test_nothing_is_due_during_a_pause_and_a_jump_takes_no_time() -> None:
    pause = Stage(0.0, 0.0), Stage(1.0, 0.0)
    arrivals = RampingArrivals(10.0, (*pause, Stage(0.0, 10.0), Stage(1.0, 10.0), *pause, Stage(0, 5.0), Stage(1, 5.0)))
    expected = [1 + n / 10 for n in range(10)] + [3 + n / 5 for n in range(5)]
    assert arrivals.due_times(0, 99) == pytest.approx(expected, rel=1e-15)
    assert [arrivals.rate_at(seconds) for seconds in (0.0, 1.0, 2.0, 3.0, 4.0)] == [0, 10, 0, 5, 0]
    assert arrivals.due_by(0.999) == 0
    assert arrivals.due_by(2.999) == 10


def test_a_ramp_down_is_a_reversed_ramp_up() -> None:
    up, down = RampingArrivals(0.0, (Stage(64.0, 1000.0),)), RampingArrivals(1000.0, (Stage(64.0, 0.0),))
    mirrored = [64.0 - due for due in reversed(up.due_times(1, 32_000))]
    assert down.due_times(1, 32_000) == pytest.approx(mirrored, rel=1e-14, abs=1e-14)


def test_the_end_of_a_long_ramp_down_is_exact() -> None:
    """The last transaction has an area of 1 before the end: half of the slope times its seconds squared."""
    day = RampingArrivals(100_000.0, (Stage(86_400.0, 0.0),))
    assert day.due_seconds(4_319_999_999) == 86_400.0 - math.sqrt(2 * 86_400 / 100_000)


def test_a_tiny_slope_is_a_constant_rate() -> None:
    ramp, constant = RampingArrivals(100.0, (Stage(3600.0, 100.0 + 1e-9),)), ConstantArrivals(100.0)
    assert ramp.due_times(0, 360_000, 997) == pytest.approx(constant.due_times(0, 360_000, 997), rel=1e-11)


@given(st.data(), KINDS, st.integers(min_value=1, max_value=7))
def test_all_shards_together_have_all_due_times(data: st.DataObject, arrivals: Arrivals, count: int) -> None:
    shards = [Shard(arrivals, index, count) for index in range(count)]
    first = data.draw(indexes(arrivals)) // count
    whole = arrivals.due_times(first * count, (first + 10) * count)
    assert sorted(due for shard in shards for due in shard.due_times(first, first + 10)) == whole
    assert [shard.due_seconds(first) for shard in shards][: len(whole)] == whole[:count]
    assert sum(shard.due_by(whole[-1]) for shard in shards) == arrivals.due_by(whole[-1])
    assert sum(shard.rate_at(whole[-1]) for shard in shards) == pytest.approx(arrivals.rate_at(whole[-1]))
    if arrivals.total is not None:
        assert sum(shard.total or 0 for shard in shards) == arrivals.total


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_a_shard_out_of_range_is_refused(index: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"no shard {index} of {count}"):
        Shard(ConstantArrivals(1.0), index, count)


@pytest.mark.parametrize(
    ("rate", "seconds", "total"), [(10.0, 2.0, 20), (10.0, 2.01, 21), (0.3, 3.0, 1), (7.0, 1.0, 7)]
)
def test_nothing_is_due_at_the_end_or_later(rate: float, seconds: float, total: int) -> None:
    ended = Until(ConstantArrivals(rate), seconds)
    assert ended.total == ended.due_by(seconds) == ended.due_by(seconds + 9) == total
    assert [ended.due_seconds(index) for index in (total - 1, total)] == [(total - 1) / rate, math.inf]
    assert ended.due_times(0, total + 5) == [index / rate for index in range(total)]
    assert [ended.rate_at(at) for at in (0.0, seconds)] == [rate, 0.0]
