from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from alertdrill.probes.figures.measures import Counter, Gauge, Measures, Rate, Trend
from alertdrill.probes.figures.thresholds import (
    JudgedThreshold,
    Threshold,
    Thresholds,
    abort_reason,
    crossed,
    evaluate,
    unmatched,
)

SLOW = {"threshold": "p(95)<2s", "abort_on_fail": True, "delay_abort_eval": "10s"}
THRESHOLDS: TypeAdapter[Thresholds] = TypeAdapter(Thresholds)


def read(values: dict[str, Any]) -> dict[str, list[Threshold]]:
    return THRESHOLDS.validate_python(values)


def trend(microseconds: list[int]) -> Trend:
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for value in microseconds:
        histogram.record_value(value)
    return Trend(histogram, sum(microseconds) / 1e6)


def judge(metric: str, threshold: str, measures: Measures) -> JudgedThreshold:
    [judged] = evaluate(read({metric: [threshold]}), measures)
    return judged


def test_a_threshold_is_its_text_or_a_mapping() -> None:
    short, long = read({"http_req_duration": ["p(95)<2s", SLOW]})["http_req_duration"]
    assert (short.threshold, short.abort_on_fail, short.delay_abort_eval) == ("p(95)<2s", False, timedelta(0))
    assert (long.threshold, long.abort_on_fail, long.delay_abort_eval) == ("p(95)<2s", True, timedelta(seconds=10))


def test_thresholds_can_be_dumped_and_read_again() -> None:
    thresholds = read({"checks{ check: 'status is 201' }": ["rate>0.9", {**SLOW, "threshold": "rate>0.5"}]})
    assert list(thresholds) == ["checks{check:status is 201}"]
    assert THRESHOLDS.validate_python(THRESHOLDS.dump_python(thresholds, mode="json")) == thresholds


@pytest.mark.parametrize(
    ("key", "threshold", "path", "problem"),
    [
        ("http_req_duratoin", "p(95)<2s", (), "unknown metric 'http_req_duratoin', did you mean http_req_duration?"),
        ("zebra", "p(95)<2s", (), "unknown metric 'zebra', expected one of: checks, dropped_iterations, http_req_b"),
        ("http_reqs{name:a", "count>1", (), "'http_reqs{name:a' is not a metric, expected one such as http_reqs or"),
        ("iterations{name:a}", "count>1", (), "iterations has no tags, write iterations"),
        ("http_reqs{check:a}", "count>1", (), "http_reqs has no tag 'check', expected http_reqs{name:…}"),
        ("latency", "rate<0.1", (0,), "latency is a trend and has no rate, expected one of: avg, min, med, max, p(N)"),
        ("http_req_failed", "p(95)<2s", (0,), "http_req_failed is a rate and has no p(95), expected one of: rate"),
        ("http_reqs", "max>1", (0,), "http_reqs is a counter and has no max, expected one of: count, rate"),
        ("in_flight", "max<9", (0,), "in_flight is a gauge and has no max, expected one of: value"),
        (
            "http_req_duration",
            "p(95)<2000",
            (0,),
            "p(95)<2000 has no unit, write p(95)<2s or p(95)<2000ms for what k6 means by it",
        ),
        ("latency", "avg<0.5", (0,), "avg<0.5 has no unit, expected a duration such as 250ms or 2s"),
        ("latency", f"avg<{10**30}", (0,), "has no unit, expected a duration such as 250ms or 2s"),
        ("http_reqs", "count>10s", (0,), "count>10s: http_reqs is not a time, expected a bare number"),
        ("http_req_failed", "rate<5", (0,), "rate<5: a rate lies between 0 and 1, write 0.05 for 5 per cent"),
        ("latency", "p95<2s", (0,), "unknown aggregation 'p95', did you mean p(95)?"),
        (
            "latency",
            5,
            (0,),
            "5 is not a threshold, expected one such as p(95)<2s, or a mapping with the key threshold",
        ),
    ],
)
def test_a_threshold_that_cannot_be_judged_is_refused_with_its_position(
    key: str, threshold: Any, path: tuple[int, ...], problem: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        read({key: [threshold]})
    [error] = caught.value.errors()
    assert error["loc"] == (key, *path)
    assert problem in error["msg"]


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        read({"latencies": ["avg<2s"], "http_reqs": ["count>1", "avg<2s"], "latency": ["avg<2"]})
    assert [error["loc"] for error in caught.value.errors()] == [("latencies",), ("http_reqs", 1), ("latency", 0)]


def test_a_metric_written_twice_in_different_ways_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"is the same as http_reqs\{name:a\} above"):
        read({"http_reqs{name:a}": ["count>1"], "http_reqs{name: a}": ["count>2"]})


def test_a_bare_zero_is_a_time() -> None:
    assert judge("latency", "min>0", {"latency": trend([5])}).ok


MEASURES = {
    "latency": trend([1000, 2000, 3000, 100_000]),
    "http_req_failed": Rate(5, 501),
    "http_reqs": Counter(501, 5.0),
    "http_reqs{name:payment}": Counter(10, 5.0),
    "in_flight": Gauge(3, 0, 12),
}


@pytest.mark.parametrize(
    ("metric", "threshold", "ok", "spelling"),
    [
        ("latency", "avg<26ms", False, "avg=26.5ms"),
        ("latency", "med<=2ms", True, "med=2ms"),
        ("latency", "min>=1ms", True, "min=1ms"),
        ("latency", "max<100ms", False, "max=100ms"),
        ("latency", "p(75)<4ms", True, "p(75)=3ms"),
        ("http_req_failed", "rate<0.01", True, "rate=0.99%"),
        ("http_reqs", "count>=501", True, "count=501"),
        ("http_reqs", "rate!=100.2", False, "rate=100.2/s"),
        ("http_reqs{name:payment}", "count==10", True, "count=10"),
        ("in_flight", "value<3", False, "value=3"),
    ],
)
def test_each_kind_of_figure_is_compared_with_its_bound(metric: str, threshold: str, ok: Any, spelling: str) -> None:
    judged = judge(metric, threshold, MEASURES)
    assert (judged.metric, judged.source, judged.ok, judged.spelling) == (metric, threshold, ok, spelling)


@given(
    st.lists(st.integers(min_value=1, max_value=3_600_000_000), min_size=1, max_size=60),
    st.decimals(min_value=0, max_value=100, places=2),
    st.integers(min_value=1, max_value=3_600_000),
)
def test_a_percentile_is_judged_as_the_exact_one_is(samples: list[int], percent: Any, bound_ms: int) -> None:
    """A difference in the fourth digit only may be judged either way."""
    exact = sorted(samples)[max(1, math.ceil(Fraction(percent) / 100 * len(samples))) - 1]
    judged = judge("latency", f"p({percent})<={bound_ms}ms", {"latency": trend(samples)})
    assert judged.observed == pytest.approx(exact / 1e6, rel=1e-3)
    if exact != pytest.approx(bound_ms * 1000, rel=1e-3):
        assert judged.ok == (exact <= bound_ms * 1000)


@pytest.mark.parametrize(
    ("metric", "threshold", "ok", "spelling"),
    [
        ("http_req_duration", "p(95)<5ms", True, "no samples"),
        ("http_req_duration", "min>1ms", False, "no samples"),
        ("http_req_failed", "rate>0.5", True, "no samples"),
        ("http_req_failed", "rate<0.5", True, "no samples"),
        ("http_reqs", "count>5", False, "count=0"),
        ("http_reqs", "rate<3", True, "rate=0/s"),
        ("in_flight", "value<1", True, "value=0"),
    ],
)
def test_a_metric_without_samples_is_judged_as_by_k6(metric: str, threshold: str, ok: Any, spelling: str) -> None:
    """k6 1.8 judges so for a metric with a tag that no sample has."""
    empty = {"http_req_duration": trend([]), "http_req_failed": Rate(0, 0), "http_reqs": Counter(0, 9.0)}
    for measures in ({}, empty):
        judged = judge(metric, threshold, measures)
        assert (judged.ok, judged.spelling) == (ok, spelling)
        assert (judged.observed is None) == (spelling == "no samples")


def test_each_crossed_metric_is_named_once() -> None:
    thresholds = read(
        {"latency": ["max<1ms", "avg<1ms", "min>0"], "http_reqs": ["count>9999"], "in_flight": ["value<9"]}
    )
    assert crossed(evaluate(thresholds, MEASURES)) == ["http_reqs", "latency"]


SECONDS_LONG = {"http_req_duration": trend([3_000_000] * 10)}


@pytest.mark.parametrize(("elapsed", "stops"), [(0.0, False), (9.9, False), (10.0, True), (60.0, True)])
def test_a_crossed_threshold_stops_the_load_once_its_delay_has_passed(elapsed: float, stops: Any) -> None:
    reason = abort_reason(read({"http_req_duration": ["max<1s", SLOW]}), SECONDS_LONG, elapsed)
    assert reason == ("threshold p(95)<2s on http_req_duration was crossed: p(95)=3s" if stops else None)


@pytest.mark.parametrize(
    ("metric", "threshold"),
    [
        ("http_req_duration", "p(95)<2s"),
        ("http_req_duration", {**SLOW, "threshold": "p(95)<4s"}),
        ("http_req_duration{name:other}", {**SLOW, "threshold": "min>1s"}),
        ("iterations", {"threshold": "count>5", "abort_on_fail": True}),
    ],
)
def test_nothing_else_stops_the_load(metric: str, threshold: Any) -> None:
    """A threshold without abort_on_fail, one that passes, and one without samples do not stop it."""
    measures = {**SECONDS_LONG, "iterations": Counter(0, 60.0)}
    assert abort_reason(read({metric: [threshold]}), measures, 60.0) is None


def test_a_tag_that_no_transaction_has_is_reported() -> None:
    thresholds = read(
        {
            "http_reqs": ["count>1"],
            "http_reqs{name:payment}": ["count>1"],
            "http_reqs{name:paymnet}": ["count>1"],
            "checks{check:body}": ["rate>0.9"],
        }
    )
    assert unmatched(thresholds, names=["payment"], checks=["status is 201"]) == {
        "http_reqs{name:paymnet}": "no name 'paymnet' in this load, did you mean payment?",
        "checks{check:body}": "no check 'body' in this load, expected one of: status is 201",
    }
    assert unmatched(["checks{check:body}"], names=["payment"], checks=[]) == {
        "checks{check:body}": "no check 'body' in this load, which has none",
    }
