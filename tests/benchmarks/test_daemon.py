from __future__ import annotations

import pytest

from benchmarks.daemon import Cost, Memory, Outcome, late_p99, page
from benchmarks.results import circumstances


def test_lateness_is_read_from_buckets_as_prometheus_does() -> None:
    buckets = {"0.001": 98.0, "0.0025": 100.0, "+Inf": 100.0}
    metrics = {f'alertdrill_send_lateness_seconds_bucket{{le="{le}"}}': count for le, count in buckets.items()}
    assert late_p99(metrics) == pytest.approx(0.001 + 0.0015 / 2)


def test_growth_leaves_the_begin_out() -> None:
    short = Memory([(0.0, 10.0), (20.0, 50.0), (40.0, 52.0)])
    long = Memory([(0.0, 10.0), (119.0, 50.0), (121.0, 60.0), (600.0, 61.0)])
    assert (short.growth, long.growth, long.most) == (2.0, 1.0, 61.0)


def test_a_single_sample_is_no_growth() -> None:
    memory = Memory([(float(at), 90.0 if at in {130, 599} else 60.0) for at in range(600)])
    assert (memory.growth, memory.most) == (0.0, 90.0)


def test_the_page_says_what_did_not_arrive_and_what_arrived_twice() -> None:
    outcome = Outcome(2000, 10.0, ended=1_000_003, arrived=1_000_001, doubled=4, stops_seconds=[0.1, 0.3, 0.2])
    outcome.late_p99_seconds, outcome.bare_late_p99_seconds = 0.0011, 0.001
    outcome.cost, outcome.bare_cost = Cost(2.0, 100_000.0), Cost(1.0, 50_000.0)
    text = page(circumstances({}), outcome)
    assert "| the first, as a multiple of the second | 1.10 |" in text
    assert "| processor time of a transaction: agent, bare load | 20.0 µs, 20.0 µs |" in text
    assert "| the same while a fault is in force, in 3 tries: median, most | 0.20 s, 0.30 s |" in text
    assert "| sent and not arrived | 2 |" in text
    assert "| arrived twice, by their idempotency keys | 4 |" in text
