"""A trend is the difference to the median of the last comparable runs."""

from __future__ import annotations

import pytest

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.scorecard.card import Card, KpiTrend, Reading, Score
from alertdrill.agent.scorecard.earlier_runs import CardRun, KpiValue, with_trends

EUR = {"currency": "EUR"}


def run(at: float, value: float, window_seconds: float = 300, labels: dict[str, str] | None = None) -> CardRun:
    return CardRun(at=at, window_seconds=window_seconds, values=[KpiValue(kpi="p95", labels=labels or {}, value=value)])


def trend(value: float, runs: list[CardRun], labels: dict[str, str] | None = None) -> KpiTrend | None:
    card = Card(100, 300, (Score(Kpi(kpi="p95", series="a"), "a", (Reading(value, labels or {}),)),))
    return with_trends(card, runs).scores[0].readings[0].trend


def test_there_is_no_trend_without_earlier_runs() -> None:
    assert trend(5, []) is None


def test_it_is_the_difference_to_the_median() -> None:
    """One outlier among the earlier runs does not move it."""
    assert trend(5, [run(1, 3), run(2, 4), run(3, 1000)]) == KpiTrend(1, 3)


@pytest.mark.parametrize(
    "other",
    [run(100, 9), run(101, 9), run(1, 9, window_seconds=60), run(1, 9, labels=EUR)],
    ids=["the same instant", "later", "another window", "other labels"],
)
def test_a_run_that_is_not_comparable_is_left_out(other: CardRun) -> None:
    assert trend(5, [other, run(2, 4)]) == KpiTrend(1, 1)


def test_only_the_last_ten_runs_count_in_any_order() -> None:
    old, new = [run(at, 1000) for at in range(20)], [run(at, 4) for at in range(50, 60)]
    assert trend(5, [*new, *old]) == KpiTrend(1, 10)


def test_each_value_of_a_kpi_has_its_own() -> None:
    assert trend(5, [run(1, 3, labels=EUR), run(1, 4)], EUR) == KpiTrend(2, 1)


@pytest.mark.parametrize(("value", "arrow"), [(5, "↑"), (3, "↓"), (4, "→"), (4 + 1e-12, "→")])
def test_an_arrow_shows_the_direction(value: float, arrow: str) -> None:
    """A difference from rounding alone is not a change."""
    found = trend(value, [run(1, 4)])
    assert found is not None
    assert found.arrow == arrow
