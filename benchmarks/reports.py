"""Reads each client's report on its run into common figures."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.measure import STDOUT

SUMMARY = "summary.json"


@dataclass(frozen=True)
class Percentiles:
    """The median and the 99th percentile in milliseconds; a summary in k6's format may lack the latter."""

    p50_ms: float
    p99_ms: float | None


@dataclass(frozen=True)
class Figures:
    """A client's figures; None for those that it does not report.

    `latency` counts from the actual send, `latency_from_due` from the instant in the schedule.
    `failed` is the number of failed transactions or of failed checks, whichever is larger.
    """

    transactions: int
    rate: float
    failed: int
    latency: Percentiles
    dropped: int | None = None
    lateness: Percentiles | None = None
    latency_from_due: Percentiles | None = None


def read_summary(directory: Path) -> Figures:
    """Read a summary in k6's format; alertdrill's has two more trends."""
    metrics = json.loads((directory / SUMMARY).read_text("utf-8"))["metrics"]
    requests = metrics["http_reqs"]
    # In k6's http_req_failed, "passes" counts the requests that failed.
    failed = metrics.get("http_req_failed", {}).get("passes", 0)
    return Figures(
        transactions=int(requests["count"]),
        rate=requests["rate"],
        failed=max(failed, metrics.get("checks", {}).get("fails", 0)),
        latency=_trend(metrics["http_req_duration"]),
        dropped=metrics.get("dropped_iterations", {}).get("count", 0),
        lateness=_trend(metrics["lateness"]) if "lateness" in metrics else None,
        latency_from_due=_trend(metrics["latency"]) if "latency" in metrics else None,
    )


def _trend(metric: dict[str, Any]) -> Percentiles:
    return Percentiles(metric["med"], metric.get("p(99)"))


def read_vegeta(directory: Path) -> Figures:
    """Read `vegeta report -type=json`."""
    report = json.loads((directory / STDOUT).read_text("utf-8"))
    latencies = report["latencies"]
    return Figures(
        transactions=report["requests"],
        rate=report["rate"],
        failed=report["requests"] - report["status_codes"].get("201", 0),
        latency=Percentiles(latencies["50th"] / 1e6, latencies["99th"] / 1e6),
    )


def read_hey(directory: Path) -> Figures:
    """Read hey's summary; its latencies are rounded to a tenth of a millisecond."""
    text = (directory / STDOUT).read_text("utf-8")
    statuses = {status: int(count) for status, count in re.findall(r"\[(\d{3})\]\t(\d+) responses", text)}
    errors = sum(int(count) for count in re.findall(r"^  \[(\d+)\]\t(?!\d+ responses)", text, re.MULTILINE))
    answered = sum(statuses.values())
    return Figures(
        transactions=answered + errors,
        rate=_number(text, r"Requests/sec:\s+([\d.]+)"),
        failed=answered + errors - statuses.get("201", 0),
        latency=Percentiles(*(_number(text, rf"{percent}%+ in ([\d.]+) secs") * 1e3 for percent in (50, 99))),
    )


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise BenchmarkError(f"its report has no match for {pattern}")
    return float(found[1])
