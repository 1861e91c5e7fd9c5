"""A value is green, yellow or red by its objective; an unknown one is never green."""

from __future__ import annotations

import pytest

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.scorecard.card import Card, KpiStatus, Reading, Score, status


def kpi(objective: str | None, yellow_from: float | None = None) -> Kpi:
    return Kpi(kpi="a", series="a", objective=objective, yellow_from=yellow_from)


@pytest.mark.parametrize(
    ("objective", "yellow_from", "value", "expected"),
    [
        ("< 2", 1.5, 1.49, KpiStatus.GREEN),
        ("< 2", 1.5, 1.5, KpiStatus.YELLOW),
        ("< 2", 1.5, 2, KpiStatus.RED),
        ("<= 2", 1.5, 2, KpiStatus.YELLOW),
        ("< 2", None, 1.999, KpiStatus.GREEN),
        (">= 2000", 2100, 2101, KpiStatus.GREEN),
        (">= 2000", 2100, 2100, KpiStatus.YELLOW),
        (">= 2000", 2100, 2000, KpiStatus.YELLOW),
        (">= 2000", 2100, 1999, KpiStatus.RED),
        ("> 95", None, 95, KpiStatus.RED),
        (None, None, 7, KpiStatus.UNTARGETED),
    ],
)
def test_a_value_is_compared_with_its_objective(
    objective: str | None, yellow_from: float | None, value: float, expected: KpiStatus
) -> None:
    assert status(kpi(objective, yellow_from), value) is expected


def score(objective: str | None, *values: float) -> Score:
    return Score(kpi(objective), "a", tuple(Reading(value) for value in values))


def test_the_worst_of_several_values_counts() -> None:
    assert score("< 2", 1, 3, 1).status is KpiStatus.RED


@pytest.mark.parametrize(
    ("scores", "code"),
    [
        ([score("< 2", 1)], 0),
        ([score("< 2", 1), score(None)], 0),
        ([score("< 2", 1), score("< 2")], 3),
        ([score("< 2"), score("< 2", 3)], 1),
    ],
)
def test_red_comes_before_unknown_in_the_exit_code(scores: list[Score], code: int) -> None:
    """A KPI without a target cannot fail; one with a target and no data does not count as met."""
    assert Card(0, 300, tuple(scores)).exit_code == code
