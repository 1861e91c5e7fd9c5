from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.figures.measures import METRICS, Counter, Gauge, Rate, Trend, blank, split, tagged

MICROSECONDS = st.lists(st.integers(min_value=1, max_value=3_600_000_000), min_size=1, max_size=60)
PERCENTS = st.decimals(min_value=0, max_value=100, places=2).map(float)


def trend(microseconds: list[int]) -> Trend:
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for value in microseconds:
        histogram.record_value(value)
    return Trend(histogram, sum(microseconds) / 1e6)


@given(MICROSECONDS, PERCENTS)
def test_a_percentile_is_the_nearest_rank_to_three_digits(samples: list[int], percent: float) -> None:
    rank = max(1, math.ceil(Fraction(str(percent)) / 100 * len(samples)))
    exact = sorted(samples)[rank - 1] / 1e6
    assert trend(samples).percentile(percent) == pytest.approx(exact, rel=1e-3)


def test_a_percentile_is_not_taken_one_sample_too_low() -> None:
    """Nine of ten samples do not exceed the ninth, so a percentile above 90 is the tenth."""
    samples = trend([n * 100 for n in range(1, 11)])
    assert samples.percentile(90) == 0.0009
    assert samples.percentile(90.4) == 0.001


@given(MICROSECONDS)
def test_the_mean_and_the_extremes_are_exact_and_in_order(samples: list[int]) -> None:
    figures = trend(samples)
    assert figures.count == len(samples)
    assert (figures.min, figures.max) == (min(samples) / 1e6, max(samples) / 1e6)
    assert figures.avg == sum(samples) / 1e6 / len(samples)
    assert figures.min <= figures.med <= figures.percentile(95) <= figures.percentile(100) == figures.max


def test_a_trend_follows_its_growing_histogram() -> None:
    figures = trend([1000])
    figures.histogram.record_value(3000)
    assert (figures.count, figures.max) == (2, 0.003)


@pytest.mark.parametrize("name", METRICS)
def test_without_samples_every_figure_is_zero(name: str) -> None:
    measure = blank(name)
    assert isinstance(measure, METRICS[name].kind)
    assert measure.empty == (not isinstance(measure, Gauge))
    figures = [getattr(measure, figure, 0.0) for figure in ("count", "rate", "value", "avg", "min", "med", "max")]
    assert figures == [0] * 7


def test_a_rate_counts_passes_and_fails() -> None:
    assert (Rate(5, 501).fails, Rate(5, 501).rate) == (496, 5 / 501)


def test_a_counter_has_a_rate_per_second() -> None:
    assert Counter(501, 5.01).rate == pytest.approx(100)
    assert Counter(3, 0.0).rate == 0


@pytest.mark.parametrize("value", ["payment", "time < 2s: {fast}", ""])
def test_a_tagged_key_splits_into_its_parts(value: str) -> None:
    assert split(tagged("checks", "check", value)) == ("checks", value)
    assert split("checks") == ("checks", None)
