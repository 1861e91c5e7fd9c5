from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.agent.monitoring.prometheus import ClockReading, most_certain

delays = st.floats(0.0, 2.0)


@given(st.floats(-3600, 3600), st.lists(st.tuples(delays, delays), min_size=1, max_size=5))
def test_the_true_offset_is_never_outside_the_uncertainty(ahead: float, trips: list[tuple[float, float]]) -> None:
    """The request may take any part of the round trip, and the server cuts off its milliseconds."""
    readings = []
    for index, (there, back) in enumerate(trips):
        before = 1_790_000_000.0 + 10 * index
        server = math.floor((before + there + ahead) * 1000) / 1000
        readings.append(ClockReading(before, server, before + there + back))
    told = most_certain(readings)
    assert abs(told.offset_seconds - ahead) <= told.uncertainty_seconds + 1e-6
    shortest = min(there + back for there, back in trips)
    assert told.uncertainty_seconds == pytest.approx(shortest / 2 + 0.0005, abs=1e-6)
