"""How much of a range must be bad: the formulas, compared with the share that the range then holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.shape import Levels, Shape, bad_seconds, bad_seconds_span

RATES = st.floats(0.01, 1000)


@pytest.mark.parametrize(
    ("expr", "kind", "threshold", "range_seconds"),
    [
        ("queue > 100", "gauge", 100, 0),
        ("100 < max by (job) (queue)", "gauge", 100, 0),
        ('up{job="x"} == 0', "up", 0, 0),
        ("sum(up) < 2", "up", 2, 0),
        ('absent(up{job="x"})', "absent", 0, 0),
        ("rate(a_total[5m]) > 7", "rate", 7, 300),
        ("sum by (job) (rate(a_total[5m])) * 60 > 120", "rate", 2, 300),
        ("increase(a_total[10m]) > 6", "rate", 0.01, 600),
        ("rate(a_total[5m]) / rate(b_total[5m]) > 0.05", "ratio", 0.05, 300),
        ("100 * sum(rate(a_total[5m])) / sum(rate(b_total[5m])) >= 5", "ratio", 0.05, 300),
        ("histogram_quantile(0.95, sum by (le) (rate(a_bucket[5m]))) > 2", "quantile", 0.05, 300),
        ("rate(a_total[5m]) / rate(b_total[1m]) > 0.05", "other", 0, 0),
        ("a > bool 1", "other", 0, 0),
        ("no promql [", "other", 0, 0),
    ],
)
def test_an_expression_has_its_kind(expr: str, kind: str, threshold: float, range_seconds: float) -> None:
    shape = classify(expr)
    assert shape.kind == kind
    assert shape.threshold == pytest.approx(threshold)
    assert shape.range_seconds == range_seconds


@given(before=RATES, during=RATES, all_before=RATES, all_during=RATES, threshold=st.floats(0.001, 2))
def test_the_share_of_bad_ones_is_the_threshold_when_that_many_seconds_are_bad(
    before: float, during: float, all_before: float, all_during: float, threshold: float
) -> None:
    shape = Shape("ratio", ">", threshold, 300.0)
    seconds = bad_seconds(shape, Levels(before, during, all_before, all_during))

    def share(bad: float) -> float:
        counted = before * (300 - bad) + during * bad
        return counted / (all_before * (300 - bad) + all_during * bad)

    if seconds is None:
        assert share(300) <= threshold * (1 + 1e-9)
    elif seconds == 0:
        assert share(0) >= threshold * (1 - 1e-9)
    else:
        assert 0 < seconds <= 300
        assert share(seconds) == pytest.approx(threshold, rel=1e-6)


def test_all_errors_need_their_share_of_the_range() -> None:
    """5 % of 5 minutes: 15 seconds in which every transaction fails."""
    shape = classify("rate(errors_total[5m]) / rate(requests_total[5m]) > 0.05")
    assert bad_seconds(shape, Levels(0, 200, 200, 200)) == pytest.approx(15)
    assert bad_seconds(shape, Levels(0, 9, 200, 200)) is None


def test_a_falling_value_is_the_mirror_of_a_rising_one() -> None:
    rising = bad_seconds(Shape("rate", ">", 50, 100), Levels(0, 200))
    falling = bad_seconds(Shape("rate", "<", 50, 100), Levels(200, 0))
    assert rising == pytest.approx(25)
    assert falling == pytest.approx(75)


def test_a_short_history_needs_less() -> None:
    """With 60 s of good traffic and a threshold of 10 %, between 6 s and 60/9 s of bad traffic are enough."""
    shape = Shape("ratio", ">", 0.1, 300)
    assert bad_seconds_span(shape, Levels(0, 10, 10, 10), 300) == pytest.approx((30, 30))
    assert bad_seconds_span(shape, Levels(0, 10, 10, 10), 60) == pytest.approx((6, 60 / 9))


@pytest.mark.parametrize(
    ("comparison", "levels", "history", "needed"),
    [
        # 5/s over 300 s are 1500 events. From promtool: with 10/s after 60 s without any, that takes 150 s.
        (">", Levels(0, 10), 60, 150),
        (">", Levels(0, 10), 300, 150),
        # 60 s of 4/s are 240 of them, and the range is still not full then.
        (">", Levels(4, 10), 60, 126),
        # With 280 s of 4/s it is full before that: 300 * (5 - 4) / (10 - 4).
        (">", Levels(4, 10), 280, 50),
        # It is enough without any fault.
        (">", Levels(40, 60), 60, 0),
        (">", Levels(40, 0), 10, 0),
        # A rate that needs to fall is low already if the range lacks enough events.
        ("<", Levels(10, 0), 100, 0),
        ("<", Levels(10, 0), 200, 150),
    ],
)
def test_a_rate_is_of_the_whole_range_however_short_the_history(
    comparison: str, levels: Levels, history: float, needed: float
) -> None:
    found = bad_seconds_span(Shape("rate", comparison, 5, 300), levels, history)
    assert found == pytest.approx((needed, needed))
