"""A KPI becomes PromQL, and contradictory settings are refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.agent.config.kpis import Kpi, Kpis

FIVE = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("settings", "expr"),
    [
        ({"series": "sent_total", "per": "second"}, "sum(rate(sent_total[5m]))"),
        ({"series": "sent_total", "per": "minute"}, "60 * sum(rate(sent_total[5m]))"),
        ({"series": "sent_total", "per": "hour"}, "3600 * sum(rate(sent_total[5m]))"),
        ({"series": "bad_total", "of": "sent_total"}, "sum(rate(bad_total[5m])) / sum(rate(sent_total[5m]))"),
        (
            {"series": "eur_total", "of": "sent_total", "by": ["tenant"]},
            "sum by (tenant) (rate(eur_total[5m])) / sum by (tenant) (rate(sent_total[5m]))",
        ),
        (
            {"series": "s_bucket", "quantile": 0.99},
            "histogram_quantile(0.99, sum by (le) (rate(s_bucket[5m])))",
        ),
        (
            {"series": "s_bucket", "quantile": 0.5, "by": ["tenant"]},
            "histogram_quantile(0.5, sum by (le, tenant) (rate(s_bucket[5m])))",
        ),
        ({"series": "eur_total", "increase": "1d"}, "sum(increase(eur_total[1d]))"),
        ({"series": "memory"}, "avg(avg_over_time(memory[5m]))"),
        ({"series": "memory", "objective": "< 85"}, "max(avg_over_time(memory[5m]))"),
        ({"series": "hits", "objective": "> 95"}, "min(avg_over_time(hits[5m]))"),
        ({"query": "max(rate(a[$window])) / b"}, "max(rate(a[5m])) / b"),
    ],
)
def test_a_kpi_becomes_promql_over_the_window(settings: dict[str, Any], expr: str) -> None:
    assert Kpi.model_validate({"kpi": "a", **settings}).expr(FIVE) == expr


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "has neither series nor query, expected one of them"),
        ({"series": "a", "query": "b"}, "has both series and query, expected one of them"),
        ({"query": "b", "per": "second"}, "has query and per, expected the query alone"),
        ({"query": "b", "by": ["tenant"]}, "has query and by, expected the query alone"),
        ({"query": "rate(b[$window]"}, "is not PromQL"),
        ({"series": "a b"}, "is not PromQL"),
        ({"series": "a", "per": "second", "increase": "1d"}, "has per and increase, expected one of them"),
        ({"series": "a", "yellow_from": 1}, "has yellow_from without objective, expected both"),
        (
            {"series": "a", "objective": "< 2", "yellow_from": 3},
            "has yellow_from 3, where < 2 is missed: expected at most 2",
        ),
        (
            {"series": "a", "objective": ">= 2000", "yellow_from": 1900},
            "has yellow_from 1900, where >= 2000 is missed: expected at least 2000",
        ),
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Kpi.model_validate({"kpi": "a", **settings})
    assert text in str(refused.value)


def test_two_kpis_of_one_name_are_refused() -> None:
    """Their earlier values would be mixed up."""
    with pytest.raises(ValidationError, match="the name 'a' is used 2 times"):
        Kpis.model_validate({"kpis": [{"kpi": "a", "series": "b"}, {"kpi": "a", "series": "c"}]})


def test_only_one_series_with_an_objective_can_be_watched_by_a_rule() -> None:
    kpis = [{"kpi": "untargeted", "series": "a"}, {"kpi": "query", "query": "a", "objective": "< 1"}]
    promise = {"kpi": "promised", "series": "a", "objective": "< 1"}
    assert [kpi.name for kpi in Kpis.model_validate({"kpis": [*kpis, promise]}).promises] == ["promised"]
