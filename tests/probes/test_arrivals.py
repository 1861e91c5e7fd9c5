from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probes.arrivals import ConstantArrivals

RATES = st.floats(min_value=0.01, max_value=100_000)


@given(RATES, st.integers(min_value=0, max_value=10**7))
def test_at_its_due_time_a_transaction_is_due_and_the_next_is_not(rate: float, index: int) -> None:
    arrivals = ConstantArrivals(rate)
    assert arrivals.due_by(arrivals.due_seconds(index)) == index + 1


@given(RATES, st.floats(min_value=0, max_value=86_400))
def test_what_is_due_by_an_instant_is_due_no_later(rate: float, elapsed: float) -> None:
    arrivals = ConstantArrivals(rate)
    count = arrivals.due_by(elapsed)
    assert arrivals.due_seconds(count - 1) <= elapsed < arrivals.due_seconds(count)
