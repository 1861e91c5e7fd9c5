"""Statistical tests of the Poisson process. By chance each fails for fewer than one of a thousand seeds; the seeds are fixed."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise
from statistics import correlation, fmean, variance

import pytest

from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.poisson import PoissonArrivals
from alertdrill.probes.load.ramping import RampingArrivals, Stage

BLOCK = 1024


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gaps_are_exponential(seed: int) -> None:
    """Kolmogorov and Smirnov: the distance from 1 - e^-x stays below 1.95 / √n."""
    times = PoissonArrivals(ConstantArrivals(50.0), seed).due_times(0, 40_000)
    gaps = sorted((after - before) * 50.0 for before, after in pairwise([0.0, *times]))
    n = len(gaps)
    distance = max(max((i + 1) / n - (1 - math.exp(-gap)), 1 - math.exp(-gap) - i / n) for i, gap in enumerate(gaps))
    assert distance < 1.95 / math.sqrt(n)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("expected", [2.0, 30.0, 700.0, 5000.0])
def test_counts_in_equal_windows_have_the_mean_and_variance_of_poisson(seed: int, expected: float) -> None:
    """Chi-square of the index of dispersion, with 399 degrees of freedom, by its normal approximation."""
    windows = 400
    arrivals = PoissonArrivals(ConstantArrivals(expected), seed)
    ends = [arrivals.due_by(float(second)) for second in range(windows + 1)]
    counts = [after - before for before, after in pairwise(ends)]
    assert abs(fmean(counts) - expected) < 3.3 * math.sqrt(expected / windows)
    assert abs(variance(counts) / expected - 1) < 3.3 * math.sqrt(2 / (windows - 1))
    assert abs(correlation(counts[1:], counts[:-1])) < 3.3 / math.sqrt(windows)


@pytest.mark.parametrize("index", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5, 13 * BLOCK + 700, 10**9])
def test_due_times_have_the_mean_and_variance_of_a_poisson_process(index: int) -> None:
    times = [PoissonArrivals(ConstantArrivals(1.0), seed).due_seconds(index) for seed in range(300)]
    expected = index + 1
    assert abs(fmean(times) - expected) < 3.3 * math.sqrt(expected / 300)
    # The fourth moment of a gamma variate: 3 + 6/k times the square of its variance.
    assert abs(variance(times) / expected - 1) < 3.3 * math.sqrt((2 + 6 / expected) / 300)


def test_neighbouring_blocks_are_independent() -> None:
    seeds, blocks = 1000, 6
    runs = [PoissonArrivals(ConstantArrivals(1.0), seed) for seed in range(seeds)]
    ends = [run.due_times(BLOCK - 1, blocks * BLOCK, BLOCK) for run in runs]
    spans = list(zip(*([after - before for before, after in pairwise([0.0, *of_run])] for of_run in ends), strict=True))
    for span in spans:
        assert abs(variance(span) / BLOCK - 1) < 3.3 * math.sqrt((2 + 6 / BLOCK) / seeds)
    for left, right in pairwise(spans):
        assert abs(correlation(left, right)) < 3.3 / math.sqrt(seeds)


def test_the_rate_of_stages_is_kept() -> None:
    stages = RampingArrivals(
        0.0, (Stage(20.0, 100.0), Stage(40.0, 100.0), Stage(10.0, 0.0), Stage(30.0, 0.0), Stage(5, 8))
    )
    runs = [PoissonArrivals(stages, seed) for seed in range(200)]
    for begin, end in ((0, 10), (10, 20), (20, 60), (60, 69), (69, 70), (100, 105)):
        expected = stages.area_by(end) - stages.area_by(begin)
        counts = [run.due_by(end) - run.due_by(begin) for run in runs]
        assert abs(fmean(counts) - expected) < 3.3 * math.sqrt(expected / 200)
        assert abs(variance(counts) / expected - 1) < 3.3 * math.sqrt((2 + 1 / expected) / 200)
    assert all(run.due_by(70) == run.due_by(99.9) for run in runs)
    assert {run.rate_at(60) for run in runs} == {100.0}


def test_the_same_seed_gives_the_same_arrivals_in_any_order() -> None:
    """When read backwards, every block has left the cache before its first arrival is needed."""
    arrivals, indexes = PoissonArrivals(ConstantArrivals(10.0), 5), range(0, 30 * BLOCK, 100)
    backwards = [arrivals.due_seconds(index) for index in reversed(indexes)]
    assert arrivals.due_times(0, 30 * BLOCK, 100) == backwards[::-1]
    assert arrivals.due_times(0, 30 * BLOCK, 100) != PoissonArrivals(arrivals.of, 6).due_times(0, 30 * BLOCK, 100)


def test_memory_does_not_grow() -> None:
    arrivals = PoissonArrivals(ConstantArrivals(1000.0), 1)
    tracemalloc.start()
    for index in range(0, 10**9, 5 * 10**6):
        arrivals.due_seconds(index)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
