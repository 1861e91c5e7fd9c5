"""The windows of the shipped rules, computed by hand."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.prospect import Leg, Prospect, SizeRow, prospect
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.timing import Timing

ERRORS = "rate(e[5m]) / rate(n[5m]) > 0.05"
SLOW = "histogram_quantile(0.95, rate(b_bucket[5m])) > 2"
ON_CALL = Route("on-call", timedelta(0), timedelta(minutes=1))


def outlook(expr: str, for_: float, ways: tuple[Route, ...] = (), **waits: float) -> Prospect:
    timing = Timing(**({"scrape": 15.0, "interval": 15.0, "for_": for_} | waits))
    rule = RuleRecord(
        alert="A",
        group="g",
        expr=expr,
        for_seconds=for_,
        keep_firing_for_seconds=timing.keep_firing_for,
        interval_seconds=timing.interval,
        labels={},
        annotations={},
        health="ok",
    )
    return prospect(rule, timing, ways)


def leg(found: Prospect, name: str) -> Leg:
    return next(one for one in found.legs if one.name == name)


def row(found: Prospect, size: str) -> SizeRow:
    return next(one for table in found.tables for one in table.rows if one.size == size)


@pytest.mark.parametrize(
    ("name", "earliest", "latest"),
    [
        ("pending", 0, 45),  # 15 s must be bad: 15 - 15 and 15 + 15 + 15
        ("firing", 60, 105),
        ("on-call notified", 60, 165),  # at once, or at the next group_interval
        ("resolved", 270, 315),  # 285 s until less than 15 s are left of it
        ("on-call notified of the end", 270, 375),
    ],
)
def test_each_milestone_of_the_error_rate_with_all_failing(name: str, earliest: float, latest: float) -> None:
    found = leg(outlook(ERRORS, 60, (ON_CALL,)), name)
    assert (found.earliest, found.latest) == (pytest.approx(earliest), pytest.approx(latest))


@pytest.mark.parametrize(
    ("expr", "for_", "size", "bad", "shortest"),
    [
        (ERRORS, 60, "100% of all", 15, (0, 45)),
        (ERRORS, 60, "10% of all", 150, (135, 180)),
        (SLOW, 300, "100% above 2", 15, (15, 60)),  # a fault of a minute fires what must hold for five
        (SLOW, 300, "10% above 2", 150, (285, 330)),
        ("rate(n[5m]) > 1800", 120, "1.1 times the threshold", 272.73, (350.45, 395.45)),
    ],
)
def test_each_size_of_fault_has_its_need(
    expr: str, for_: float, size: str, bad: float, shortest: tuple[float, float]
) -> None:
    found = row(outlook(expr, for_), size)
    assert found.bad_seconds == pytest.approx(bad, abs=0.01)
    assert found.shortest == pytest.approx(shortest, abs=0.01)


def test_errors_as_many_as_the_threshold_never_fire() -> None:
    assert row(outlook(ERRORS, 60), "5% of all") == SizeRow("5% of all")


def test_a_group_wait_comes_on_top_of_firing() -> None:
    slow = Route("daily", timedelta(minutes=10), timedelta(days=1))
    found = leg(outlook("g > 1", 0, (slow,)), "daily notified")
    assert (found.earliest, found.latest) == (0, 30 + 86_400)
    assert "group_wait 600 s" in found.arithmetic


def test_keep_firing_for_delays_the_end_by_whole_evaluations() -> None:
    found = leg(outlook("g > 1", 0, keep_firing_for=20.0), "resolved")
    assert (found.earliest, found.latest) == (30, 60)


def test_a_target_that_hangs_is_down_a_timeout_later() -> None:
    found = leg(outlook("up == 0", 30, scrape=5.0, scrape_lag=5.0), "firing")
    assert (found.earliest, found.latest) == (30, 55)


def test_without_a_formula_only_the_soonest_is_known() -> None:
    found = outlook("predict_linear(a[6h], 3600) < 0", 60)
    assert (leg(found, "firing").earliest, leg(found, "firing").latest) == (60, math.inf)
    assert found.shortest is None


def test_every_latest_instant_is_what_its_arithmetic_adds_up_to() -> None:
    text = leg(outlook(ERRORS, 60), "pending").arithmetic
    assert text == (
        "15 s of the 300 s range must be bad (100% of all):"
        " 15 s - a scrape 15 s … 15 s + a scrape 15 s + an evaluation 15 s"
    )
