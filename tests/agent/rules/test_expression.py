"""The parts of an expression, and the queries that explain its silence."""

from __future__ import annotations

import pytest

from alertdrill.agent.rules.expression import Anatomy, anatomy

RATIO = 'rate(e_total{job="x", code=~"5.."}[5m]) / on (job) rate(t_total[5m]) > 0.05'


def test_every_part_is_queried_once_and_the_whole_first() -> None:
    assert Anatomy(RATIO).queries == (
        RATIO,
        'rate(e_total{code=~"5..",job="x"}[5m]) / on (job) rate(t_total[5m])',
        'rate(e_total{code=~"5..",job="x"}[5m])',
        "rate(t_total[5m])",
        'e_total{job="x", code=~"5.."}',
        "t_total",
    )


def test_a_selector_that_finds_nothing_is_loosened_matcher_by_matcher() -> None:
    selector, total = Anatomy(RATIO).selectors
    assert selector.loosened == ("e_total", 'e_total{code=~"5.."}', 'e_total{job="x"}')
    assert selector.range_seconds == 300
    assert total.loosened == ()


@pytest.mark.parametrize(
    ("expr", "on", "ignoring"),
    [
        ("a / b > 1", None, ()),
        ("a / on (x, y) b > 1", ("x", "y"), ()),
        ("a / ignoring (z) b > 1", None, ("z",)),
        ("a > b", None, ()),
    ],
)
def test_how_two_sides_are_paired_is_known(expr: str, on: tuple[str, ...] | None, ignoring: tuple[str, ...]) -> None:
    (pairing,) = Anatomy(expr).pairings
    assert (pairing.lhs, pairing.rhs, pairing.on, pairing.ignoring) == ("a", "b", on, ignoring)


@pytest.mark.parametrize("expr", ["a > 1 and b > 2", "a + 1 > 2", "a > scalar(b)", "a * time() > 2"])
def test_set_operators_and_numbers_are_not_pairings(expr: str) -> None:
    assert Anatomy(expr).pairings == ()


@pytest.mark.parametrize(
    ("expr", "required"),
    [
        ("a unless b > 1", ["a"]),
        ("a > 1 or b > 1", []),
        ("a > 1 OR b > 1", []),
        ('a{path="/this or that"} / b > 1', ['a{path="/this or that"}', "b"]),
        ("absent(a) and on () b > 1", ["b"]),
        ("sum(rate(a[5m])) > 1 and max_over_time(b[5m:1m]) > 1", ["a", "b"]),
    ],
)
def test_only_selectors_without_an_alternative_are_required(expr: str, required: list[str]) -> None:
    assert [str(selector) for selector in Anatomy(expr).required] == required


@pytest.mark.parametrize(
    ("expr", "spelled"),
    [
        ("a offset 90s > 1", "a offset 1m30s"),
        ('{__name__="a", b="c"} > 1', 'a{b="c"}'),
        ('{b=~"c|d"} > 1', '{b=~"c|d"}'),
        ('a{b!~"c|\\"d"} > 1', 'a{b!~"c|\\"d"}'),
    ],
)
def test_a_selector_is_formatted_as_promql(expr: str, spelled: str) -> None:
    (selector,) = Anatomy(expr).selectors
    assert str(selector) == spelled
    assert Anatomy(f"{spelled} > 1").selectors == (selector,)


def test_an_unreadable_expression_has_no_anatomy() -> None:
    assert anatomy("rate(a[5m+1m]) > 1") is None


@pytest.mark.parametrize(
    ("expr", "clauses"),
    [
        ("a > 1 and b < 2", ("a > 1", "b < 2")),
        ("(a > 1 and on (x) (b < 2 unless c)) and d", ("a > 1", "b < 2", "d")),
        ("a > 1 or b < 2", ()),
        ("a > 1 unless b", ()),
        ("sum(a and b) > 1", ()),
    ],
)
def test_conditions_that_must_hold_at_once_are_those_that_and_joins(expr: str, clauses: tuple[str, ...]) -> None:
    assert Anatomy(expr).clauses == clauses
    assert set(clauses) <= set(Anatomy(expr).queries)
