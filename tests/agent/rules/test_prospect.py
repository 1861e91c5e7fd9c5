"""The windows of the shipped rules, computed by hand."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.prospect import Leg, Prospect, SizeRow, prospect
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.timing import Timing

ERRORS = "rate(errors[5m]) / rate(requests[5m]) > 0.05"
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


@pytest.mark.parametrize(
    ("expr", "pending", "resolved"),
    [
        # A rate has no largest value: ten restarts within a minute are seen at once.
        ("increase(restarts_total[1h]) > 3", (0, 3720), (0, 3720)),
        ("changes(a[15m]) > 2", (0, 1020), (0, 1020)),
        ("rate(sum_seconds_sum[5m]) / rate(sum_seconds_count[5m]) > 0.5", (0, 420), (0, 420)),
        ("avg_over_time(depth[5m]) < 3", (0, 420), (0, 420)),
        # The first sample of 0 makes the mean of five or six samples less than 0.9.
        ('avg_over_time(up{job="app"}[5m]) < 0.9', (0, 120), (0, 480)),
        ("avg_over_time(probe_success[5m]) < 0.55", (120, 240), (0, 420)),
        # A counter may have stood still long before, and a value may rarely change.
        ("rate(a[5m]) == 0", (0, 420), (0, 120)),
        ("changes(a[10m]) == 0", (0, 720), (0, 120)),
        ("increase(failures_total[5m]) > 0", (0, 120), (240, 420)),
        ("absent(a)", (0, 360), (0, 120)),
        ("count(a) < 3", (0, 420), (0, 120)),
        ("time() - backup_at > 86400", (0, 86520), (0, 120)),
        ("rate(e[5m]) > 10 or g > 0", (0, 420), (0, 420)),
        ("g > 0 unless off", (0, 420), (0, 120)),
        ("(sum(g) or vector(0)) == 0", (0, 420), (0, 120)),
        ("delta(g[1h]) > 5", (0, math.inf), None),
        ("absent(a) == 1", (0, 360), (0, 120)),
        ("absent_over_time(a[10m]) > 0", (540, 720), (0, 120)),
        # Two metrics may be any ratio, also above 1; an error rate and a part of one metric are a share.
        ("rate(hits[5m]) / rate(misses[5m]) > 0.5", (0, 270), (90, 420)),
        ("rate(errors[5m]) / rate(all[5m]) > 0.5", (90, 270), (90, 270)),
        ('rate(a{hit="no"}[5m]) / rate(a[5m]) > 0.5', (90, 270), (90, 270)),
        ('rate(a{hit="yes"}[5m]) / rate(a[5m]) < 0.5', (0, 270), (90, 420)),
        ("increase(e[10m]) == 1", (0, math.inf), None),
        ("rate(e[2m]) < 0.5 * rate(e[10m])", (0, math.inf), None),
        ("stddev_over_time(g[5m]) > 1", (0, math.inf), None),
        ("g > 0 and on () hour() > 8", (0, math.inf), None),
        ('ALERTS{alertname="B"} == 1', (0, math.inf), None),
        ("rate(e[5m]) / (rate(e[5m]) + rate(ok[5m])) > 0.2", (0, 420), (0, 420)),
        ("job:errors:rate5m > 3", (0, math.inf), None),
    ],
)
def test_a_window_holds_for_every_fault_that_is_large_enough(
    expr: str, pending: tuple[float, float], resolved: tuple[float, float] | None
) -> None:
    found = outlook(expr, 0, scrape=60, interval=60)
    spans = {leg.name: (leg.earliest, leg.latest) for leg in found.legs}
    assert spans["pending"] == pytest.approx(pending)
    assert spans.get("resolved") == (None if resolved is None else pytest.approx(resolved))


def test_the_recorded_sides_of_a_burn_rate_end_with_the_shorter_range() -> None:
    sides = (f"sum(rate(errors[{width}])) / sum(rate(all[{width}])) > 0.0144" for width in ("5m", "1h"))
    found = leg(outlook(" and ".join(sides), 0, scrape=60, interval=30), "resolved")
    assert (found.earliest, found.latest) == (pytest.approx(300 - 4.32 - 60), pytest.approx(300 - 4.32 + 90))


@pytest.mark.parametrize(
    ("expr", "shortest"),
    [
        ("increase(failures_total[5m]) > 0", (0, 0)),  # a counter keeps what happened
        (ERRORS, (0, 15 * 300 / 285)),
        ("depth > 3", (0, 30)),  # a gauge may be back before the next scrape
        ("max_over_time(depth[5m]) > 3", (0, 30)),
    ],
)
def test_a_counter_shows_a_short_fault_for_certain(expr: str, shortest: tuple[float, float]) -> None:
    assert outlook(expr, 0).shortest == pytest.approx(shortest)


def test_a_wait_that_is_longer_than_a_sample_counts_is_never_over() -> None:
    """Every seven minutes a sample comes, which counts for five."""
    found = outlook("up == 0", 360, scrape=420, interval=60)
    assert [one.name for one in found.legs] == ["pending"]
    assert "gone for 120 s of every 420 s" in found.legs[0].arithmetic
    assert found.shortest is None
    assert [one.name for one in outlook("rate(e[30m]) > 1", 360, scrape=420, interval=60).legs][1] == "firing"


def test_every_latest_instant_is_what_its_arithmetic_adds_up_to() -> None:
    text = leg(outlook(ERRORS, 60), "pending").arithmetic
    assert text == (
        "15 s of the 300 s range must be bad (100% of all):"
        " 15 s - a scrape 15 s … 15 s + a scrape 15 s + an evaluation 15 s"
    )
