"""The values of a series as text: the same floats come back, and a shorter text stays within its tolerance."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.agent.regression.spelling import Value, fitted, parse_values, spell_values

_VALUES = st.one_of(st.floats(width=64), st.integers(-5, 5).map(float), st.none(), st.just("stale"))


def _same(one: list[Value], other: list[Value]) -> bool:
    return len(one) == len(other) and all(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(one, other, strict=True)
    )


@given(st.lists(_VALUES, max_size=40))
def test_the_same_values_come_back(values: list[Value]) -> None:
    assert _same(parse_values(spell_values(values)), values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.0] * 5, "0x4"),
        ([1.0, 2.0, 3.0, 4.0], "1+1x3"),
        ([9.0, 6.0, 3.0], "9-3x2"),
        ([1.0, 2.0], "1 2"),
        ([None, None, 5.0, None, "stale", "stale"], "_x2 5 _ stalex1"),
        ([math.nan, math.inf, -math.inf], "NaN Inf -Inf"),
        ([1e-7, 1e22], "1e-07 1e+22"),
    ],
)
def test_runs_are_written_short(values: list[Value], text: str) -> None:
    assert spell_values(values) == text


def test_steps_of_decimals_are_added_one_after_another_as_promtool_does() -> None:
    values = parse_values("0+0.1x10")
    assert values[3] == 0.1 + 0.1 + 0.1 != 0.3
    assert spell_values(values) == "0+0.1x10"


def test_the_shortest_step_that_gives_the_same_values_is_written() -> None:
    assert spell_values(parse_values("5000-0.7x29 80+0.314x5")) == "5000-0.7x29 80+0.314x5"


@pytest.mark.parametrize("text", ["x3", "1+x3", "five", "1x", "stale+1x3", "1+1x99999999"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"values? "):
        parse_values(text)


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.floats(1e-3, 100))
def test_a_fitted_value_is_near_its_own(values: list[float], tolerance: float) -> None:
    made = fitted(values, tolerance, counter=False)
    assert len(made) == len(values)
    for value, other in zip(values, made, strict=True):
        assert isinstance(other, float)
        assert abs(other - value) <= tolerance * (1 + 1e-9) + 1e-6


@given(st.lists(st.floats(0, 50), max_size=60), st.floats(1e-3, 20))
def test_a_fitted_counter_does_not_fall(increments: list[float], tolerance: float) -> None:
    values = [sum(increments[: n + 1]) for n in range(len(increments))]
    made = [one for one in fitted(values, tolerance, counter=True) if isinstance(one, float)]
    assert made == sorted(made)


def test_a_reset_of_a_counter_stays() -> None:
    assert fitted([100.0, 200.0, 300.0, 5.0, 105.0, 205.0], 2, counter=True)[3] < 10


def test_a_straight_line_with_noise_becomes_one_run() -> None:
    values = [100.0 * n + (n * 7 % 3) for n in range(50)]
    assert spell_values(fitted(values, 4, counter=True)).count("x") == 1
