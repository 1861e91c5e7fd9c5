from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.figures.expression import Expression, expression_text, parse

COMPARISONS = ["<", "<=", ">", ">=", "==", "===", "!="]
BOUNDS = st.one_of(
    st.floats(min_value=0, max_value=1e12),
    st.integers(min_value=0, max_value=10**12).map(lambda milliseconds: timedelta(milliseconds=milliseconds)),
)
PLAIN = st.builds(
    Expression,
    st.sampled_from(["avg", "min", "med", "max", "rate", "count", "value"]),
    st.sampled_from(COMPARISONS),
    BOUNDS,
)
PERCENTILES = st.builds(
    Expression, st.just("p(N)"), st.sampled_from(COMPARISONS), BOUNDS, st.floats(min_value=0, max_value=100)
)


@given(PLAIN | PERCENTILES)
def test_a_formatted_expression_can_be_parsed_again(expression: Expression) -> None:
    assert parse(expression_text(expression)) == expression


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p(95)<2s", Expression("p(N)", "<", timedelta(seconds=2), 95)),
        ("p(99.9) <= 500ms", Expression("p(N)", "<=", timedelta(milliseconds=500), 99.9)),
        (" avg>1m30s ", Expression("avg", ">", timedelta(seconds=90))),
        ("rate<0.01", Expression("rate", "<", 0.01)),
        ("count===1000", Expression("count", "===", 1000)),
        ("value != 3", Expression("value", "!=", 3)),
    ],
)
def test_expressions_of_k6_are_parsed(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not a threshold, expected one such as p(95)<2s, rate<0.01 or count>1000"),
        ("p(95)", "'p(95)' is not a threshold, expected one"),
        ("<2s", "'<2s' is not a threshold, expected one"),
        ("p(95)=<2s", "'p(95)=<2s' is not a threshold, expected one"),
        ("p(95)<1s<2s", "'p(95)<1s<2s' is not a threshold, expected one"),
        ("p95<2s", "unknown aggregation 'p95', did you mean p(95)?"),
        ("p(101)<2s", "p(101) is not a percentile, expected one from p(0) to p(100)"),
        ("p()<2s", "unknown aggregation 'p()', expected one of: avg,"),
        ("mean<2s", "unknown aggregation 'mean', expected one of: avg, count, max, med, min, rate, value, p(95)"),
        ("avg<2 s", "'avg<2 s' is not a threshold"),
        ("avg<2x", "'avg<2x' has the bound '2x', expected a number or a duration such as 2s"),
        ("rate<-1", "'rate<-1' has the bound '-1', expected a number"),
        ("avg<99999999999999y", "has the bound '99999999999999y', expected a number"),
    ],
)
def test_anything_else_is_refused_with_an_example(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"expected|did you mean") as caught:
        parse(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
        ("==", False, True, False),
        ("===", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_each_comparison_holds_on_its_side_of_the_bound(
    comparison: str, *, below: bool, equal: bool, above: bool
) -> None:
    for bound in ("2", "2s"):
        expression = parse(f"avg{comparison}{bound}")
        assert [expression.holds(observed) for observed in (1.999, 2.0, 2.001)] == [below, equal, above]
