from __future__ import annotations

from math import inf, isnan, nan

import pytest

from simulator import Absent, Compare, Quantile, Rate, Ratio, Sample, Selector, Version
from simulator.extrapolation import extrapolated
from simulator.promql import divide
from simulator.quantile import bucket_quantile
from simulator.storage import Storage, View
from simulator.values import labels_of, series_of


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Compare(Selector("up", labels_of(job="api")), "==", 0.0), 'up{job="api"} == 0.0'),
        (Absent(Selector("up")), "absent(up)"),
        (
            Compare(Rate(Selector("errors_total"), 30_500, "increase"), ">", 1.5),
            "increase(errors_total[30500ms]) > 1.5",
        ),
        (Quantile(0.95, Rate(Selector("b"), 60_000)), "histogram_quantile(0.95, rate(b[60s]))"),
        (
            Ratio(Rate(Selector("a"), 1000), Rate(Selector("b"), 1000), ("reason",)),
            "rate(a[1s]) / ignoring(reason) rate(b[1s])",
        ),
    ],
)
def test_an_expression_is_formatted_as_promql(expression: object, text: str) -> None:
    assert str(expression) == text


def test_a_window_full_of_samples_is_extrapolated_to_both_ends() -> None:
    points = [(at, 100 + at / 1000) for at in range(3000, 60_001, 10_000)]
    assert extrapolated(points, 60_000, 60_000, Version.V2, per_second=True) == pytest.approx(1)
    assert extrapolated(points, 60_000, 60_000, Version.V2, per_second=False) == pytest.approx(60)


def test_a_series_that_began_within_the_window_is_extrapolated_by_half_an_interval() -> None:
    points = [(40_000, 1000.0), (50_000, 1010.0), (60_000, 1020.0)]
    assert extrapolated(points, 60_000, 60_000, Version.V2, per_second=False) == pytest.approx(25)


def test_a_counter_is_not_extrapolated_below_zero() -> None:
    points = [(5000, 2.0), (15_000, 12.0), (25_000, 22.0)]
    assert extrapolated(points, 25_000, 30_000, Version.V2, per_second=False) == pytest.approx(22)


@pytest.mark.parametrize(("version", "increase"), [(Version.V2, 28.0), (Version.V3, 25.0)])
def test_a_zero_point_beyond_half_an_interval_lengthened_the_reach_before_2_52(
    version: Version, increase: float
) -> None:
    points = [(40_000, 8.0), (50_000, 18.0), (60_000, 28.0)]
    assert extrapolated(points, 60_000, 60_000, version, per_second=False) == pytest.approx(increase)


def test_a_reset_counts_what_was_before_it() -> None:
    points = [(0, 100.0), (10_000, 110.0), (20_000, 5.0), (30_000, 15.0)]
    assert extrapolated(points, 30_000, 30_000, Version.V2, per_second=False) == pytest.approx(25)


def test_one_sample_has_no_rate() -> None:
    assert extrapolated([(0, 1.0)], 0, 1000, Version.V2, per_second=True) is None


@pytest.mark.parametrize(
    ("q", "counts", "expected"),
    [
        (0.5, (10, 20, 20), 0.1),
        (0.75, (10, 20, 20), 0.3),
        (0.25, (10, 20, 20), 0.05),
        (0.9, (10, 10, 20), 0.5),
        (0.9, (0, 0, 0), nan),
    ],
)
def test_a_quantile_is_interpolated_within_its_bucket(q: float, counts: tuple[int, ...], expected: float) -> None:
    found = bucket_quantile(q, list(zip((0.1, 0.5, inf), counts, strict=True)), Version.V2)
    assert found == pytest.approx(expected, nan_ok=True)


def test_only_3_takes_counts_equal_but_for_rounding_as_equal() -> None:
    buckets = [(0.1, 10.0), (0.5, 10.0 * (1 + 1e-14)), (inf, 10.0 * (1 + 1e-14))]
    assert bucket_quantile(1.0, buckets, Version.V2) == 0.5
    assert bucket_quantile(1.0, buckets, Version.V3) == pytest.approx(0.1)


@pytest.mark.parametrize(("left", "right", "expected"), [(1, 0, inf), (-1, 0, -inf), (1, 2, 0.5)])
def test_division_is_that_of_floats(left: float, right: float, expected: float) -> None:
    assert divide(left, right) == expected
    assert isnan(divide(0, 0))
    assert isnan(divide(nan, 0))


def test_a_ratio_needs_a_pair_with_equal_labels() -> None:
    storage = Storage()
    for instance in ("1", "2"):
        for at in (0, 1000, 2000):
            errors = series_of("errors_total", reason="timeout", instance=instance)
            storage.write(errors, Sample(at, at / 1000, at))
            if instance == "1":
                storage.write(series_of("requests_total", instance=instance), Sample(at, at / 250, at))
    ratio = Ratio(Rate(Selector("errors_total"), 2000), Rate(Selector("requests_total"), 2000), ("reason",))
    view = View(storage, Version.V2, 300_000)
    assert ratio.evaluate(view, 2000) == {labels_of(instance="1"): 0.25}
    unmatched = Ratio(ratio.part, ratio.whole)
    assert unmatched.evaluate(view, 2000) == {}
