from __future__ import annotations

import pytest

from alertdrill.agent.rules.expression import split


@pytest.mark.parametrize(
    ("expr", "value", "comparison", "threshold"),
    [
        ("a > 2", "a", ">", 2),
        ("(rate(a[5m]) / rate(b[5m])) >= 0.05", "(rate(a[5m]) / rate(b[5m]))", ">=", 0.05),
        ("(up == 0)", "up", "==", 0),
        ("-1 < a", "a", ">", -1),
        ("(2) >= a", "a", "<=", 2),
    ],
)
def test_a_comparison_with_a_number_is_split(expr: str, value: str, comparison: str, threshold: float) -> None:
    condition = split(expr)
    assert condition is not None
    assert "".join(condition.value_expr.split()) == "".join(value.split())
    assert (condition.comparison, condition.threshold) == (comparison, threshold)


@pytest.mark.parametrize("expr", ["absent(up)", "a > b", "a and b > 1", "1 < 2", "a > bool 1", "no promql ["])
def test_any_other_shape_is_left_alone(expr: str) -> None:
    assert split(expr) is None
