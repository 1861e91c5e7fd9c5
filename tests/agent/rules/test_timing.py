"""The spans of alert timing, by worked examples that were tried on real servers."""

from __future__ import annotations

import pytest

from alertdrill.agent.rules.timing import Timing, in_whole_evaluations


@pytest.mark.parametrize(
    ("duration", "interval", "expected"),
    [(0, 2, 0), (5, 2, 6), (4, 2, 4), (0.2, 0.5, 0.5), (300, 15, 300), (0.3, 0.1, 0.3)],
)
def test_a_wait_is_whole_evaluations(duration: float, interval: float, expected: float) -> None:
    assert in_whole_evaluations(duration, interval) == pytest.approx(expected)


def test_a_gauge_is_seen_within_a_scrape_and_an_evaluation() -> None:
    timing = Timing(scrape=1, interval=2, for_=5, scrape_lag=0.1)
    assert timing.condition_span(0) == pytest.approx((0, 3.1))
    assert timing.firing_span(0) == pytest.approx((6, 9.1))


def test_a_range_can_be_a_scrape_ahead_of_its_samples() -> None:
    """A range of 10 s at a threshold of one half: seen 4 to 8 s after the fault."""
    assert Timing(scrape=1, interval=2).condition_span(5) == pytest.approx((4, 8))


def test_a_query_offset_shifts_both_ends() -> None:
    assert Timing(scrape=1, interval=2, query_offset=3).condition_span(0) == pytest.approx((3, 6))


def test_the_shortest_fault_of_a_range_half_bad_is_as_long_as_its_for() -> None:
    """[5m] at one half with `for: 5m` every 15 s: 300 s may not fire, 330 s do."""
    lucky, certain = Timing(scrape=15, interval=15, for_=300).shortest_fault(150, 150)
    assert lucky < 300
    assert certain == pytest.approx(330)


def test_the_shortest_fault_of_a_gauge_covers_its_for() -> None:
    assert Timing(scrape=5, interval=15, for_=60).shortest_fault(0, 0) == pytest.approx((55, 80))
