from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.units.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("250ms", 250), ("15s", 15_000), ("1h30m", 5_400_000), ("1d", 86_400_000), ("1w2d", 777_600_000), ("0", 0)],
)
def test_durations_of_prometheus_are_parsed(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize("text", ["30", "", "5x", "m5", "1s1m", "-5s", "1.5s", " "])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration, expected one such as 250ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3000000y", "999999999999999999999999ms"])
def test_a_duration_too_long_for_a_timedelta_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is too long for a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_dump_can_be_read_again(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration
