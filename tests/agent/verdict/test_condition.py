from __future__ import annotations

import pytest

from agent.verdict.condition import split
from agent.verdict.timeline import on_the_grid


@pytest.mark.parametrize(
    ("expr", "value", "comparison", "threshold"),
    [
        ("a > 2", "a", ">", 2),
        ("(rate(a[5m]) / rate(b[5m])) >= 0.05", "(rate(a[5m]) / rate(b[5m]))", ">=", 0.05),
        ("(up == 0)", "up", "==", 0),
    ],
)
def test_a_comparison_with_a_number_is_split(expr: str, value: str, comparison: str, threshold: float) -> None:
    condition = split(expr)
    assert condition is not None
    assert "".join(condition.value_expr.split()) == "".join(value.split())
    assert (condition.comparison, condition.threshold) == (comparison, threshold)


@pytest.mark.parametrize("expr", ["absent(up)", "a > b", "a and b > 1", "1 < a", "no promql ["])
def test_any_other_shape_is_left_alone(expr: str) -> None:
    assert split(expr) is None


@pytest.mark.parametrize(
    ("duration", "interval", "expected"), [(0, 15, 0), (1, 15, 15), (15, 15, 15), (16, 15, 30), (0.9, 0.3, 0.9)]
)
def test_a_rule_engine_acts_at_whole_evaluations(duration: float, interval: float, expected: float) -> None:
    assert on_the_grid(duration, interval) == pytest.approx(expected)
