from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.measure import STDOUT
from benchmarks.reports import SUMMARY, Figures, Percentiles, read_hey, read_summary, read_vegeta
from benchmarks.runs import spelled

HEY = """
Summary:
  Total:	0.2013 secs
  Requests/sec:	1987.2212

Latency distribution:
  10%% in 0.0001 secs
  50%% in 0.0004 secs
  99%% in 0.0019 secs

Status code distribution:
  [201]	395 responses
  [503]	2 responses
"""
HEY_ERRORS = """
Error distribution:
  [3]	Post "http://127.0.0.1:9/": dial tcp 127.0.0.1:9: connect: connection refused
"""


def summary(**metrics: Any) -> dict[str, Any]:
    always = {"http_reqs": {"count": 401, "rate": 200.3}, "http_req_duration": {"med": 0.2, "p(99)": 0.4}}
    return {"metrics": always | metrics}


def read(directory: Path, content: dict[str, Any]) -> Figures:
    (directory / SUMMARY).write_text(json.dumps(content))
    return read_summary(directory)


def test_k6_has_no_lateness_and_omits_zero_dropped_iterations(tmp_path: Path) -> None:
    figures = read(tmp_path, summary(http_req_failed={"passes": 0, "fails": 401, "value": 0}))
    assert figures == Figures(401, 200.3, 0, Percentiles(0.2, 0.4), dropped=0)


def test_alertdrill_has_lateness_and_latency_from_the_due_time(tmp_path: Path) -> None:
    ours = {"lateness": {"med": 0.07, "p(99)": 0.3}, "latency": {"med": 0.3, "p(99)": 0.7}}
    figures = read(tmp_path, summary(dropped_iterations={"count": 5}, **ours))
    assert figures.dropped == 5
    assert figures.lateness == Percentiles(0.07, 0.3)
    assert figures.latency_from_due == Percentiles(0.3, 0.7)


def test_a_percentile_missing_in_a_summary_stays_unknown(tmp_path: Path) -> None:
    figures = read(tmp_path, summary(http_req_duration={"med": 0.2, "p(90)": 0.3, "p(95)": 0.4}))
    assert figures.latency == Percentiles(0.2, None)
    assert spelled([figures.latency]) == "0.20 / n/a"
    assert spelled([figures.latency, Percentiles(0.1, 0.9)]) == "0.20 / 0.90"


@pytest.mark.parametrize(
    ("requests_failed", "checks_failed", "failed"),
    [(7, 0, 7), (0, 4, 4), (3, 6, 6)],
    ids=["requests that failed", "checks that did not hold", "both: the larger number"],
)
def test_failed_requests_and_checks_are_counted(
    tmp_path: Path, requests_failed: int, checks_failed: int, failed: int
) -> None:
    rates = {"http_req_failed": {"passes": requests_failed}, "checks": {"fails": checks_failed}}
    assert read(tmp_path, summary(**rates)).failed == failed


def test_vegeta_has_nanoseconds_and_every_status_except_201_is_a_failure(tmp_path: Path) -> None:
    report = {
        "latencies": {"50th": 199_349, "99th": 1_382_599},
        "requests": 400,
        "rate": 200.4,
        "status_codes": {"201": 390, "503": 4, "0": 6},
    }
    (tmp_path / STDOUT).write_text(json.dumps(report))
    assert read_vegeta(tmp_path) == Figures(400, 200.4, 10, Percentiles(0.199349, 1.382599))


def test_hey_has_seconds_and_its_errors_are_failures(tmp_path: Path) -> None:
    (tmp_path / STDOUT).write_text(HEY + HEY_ERRORS)
    figures = read_hey(tmp_path)
    assert (figures.transactions, figures.failed, figures.rate) == (400, 5, 1987.2212)
    assert figures.latency == Percentiles(pytest.approx(0.4), pytest.approx(1.9))


def test_hey_without_errors_has_only_other_statuses_as_failures(tmp_path: Path) -> None:
    (tmp_path / STDOUT).write_text(HEY)
    assert read_hey(tmp_path).failed == 2


def test_a_hey_that_sent_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / STDOUT).write_text("Usage: hey [options...] <url>")
    with pytest.raises(BenchmarkError, match="Requests/sec"):
        read_hey(tmp_path)
