"""The summary of a load looks like that of k6, with our own figures below."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from pydantic import TypeAdapter
from rich.console import Console

from alertdrill.agent.report.load.summary import export, render
from alertdrill.probes.figures.honesty import Honesty
from alertdrill.probes.figures.measures import Counter, Gauge, Measure, Rate, Trend
from alertdrill.probes.figures.summary import LoadSummary
from alertdrill.probes.figures.thresholds import Thresholds, evaluate

THRESHOLDS: TypeAdapter[Thresholds] = TypeAdapter(Thresholds)

# The layout of `k6 run` 1.8 without colours, line by line; only the section LOAD is ours.
EXPECTED = """\
  █ THRESHOLDS

    checks
    ✓ 'rate>0.5' rate=66.33%

      {check:status is 201}
      ✓ 'rate>0.9' rate=99.00%

    http_req_duration
    ✓ 'p(95)<2s' p(95)=1.79ms
    ✗ 'p(99)<1ms' p(99)=51.29ms

      {name:payment}
      ✓ 'max<5s' max=51.52ms

    http_req_failed{name:nobody}
    ✓ 'rate>0.5' no samples


  █ TOTAL RESULTS

    checks_total.......: 1503   300.6/s
    checks_succeeded...: 66.33% 997 out of 1503
    checks_failed......: 33.66% 506 out of 1503

    ✗ status is 201
      ↳  99% — ✓ 496 / ✗ 5
    ✓ body is OK
    ✗ never
      ↳  0% — ✓ 0 / ✗ 501
    ? after that
      ↳  no samples

    HTTP
    http_req_duration....: avg=2.85ms min=229µs med=453µs max=51.52ms p(90)=593µs p(95)=1.79ms
      { name:payment }...: avg=2.85ms min=229µs med=453µs max=51.52ms p(90)=593µs p(95)=1.79ms
    http_req_failed......: 0.99% 5 out of 501
      { name:nobody }....: 0.00% 0 out of 0
    http_reqs............: 501   100.2/s

    EXECUTION
    dropped_iterations...: 12    2.4/s
    iteration_duration...: avg=2.85ms min=229µs med=453µs max=51.52ms p(90)=593µs p(95)=1.79ms
    iterations...........: 501   100.2/s

    LOAD
    honest...............: no dropped 12 of 513 transactions, more than 1 %
    target_rate..........: 102.60/s
    achieved_rate........: 100.20/s 97.66% of the target
    in_flight............: 2 min=0 max=12
    latency..............: avg=2.85ms min=229µs med=453µs max=51.52ms p(90)=593µs p(95)=1.79ms p(99)=51.29ms
    lateness.............: avg=200µs  min=100µs med=200µs max=300µs   p(90)=300µs p(95)=300µs  p(99)=300µs
    failed...............: 17
      { timeout }........: 12 no answer within 30s
      { bad_answer }.....: 5  HTTP 500
"""


def _trend(counts: dict[int, int]) -> Trend:
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for microseconds, count in counts.items():
        histogram.record_value(microseconds, count)
    return Trend(histogram, sum(microseconds * count for microseconds, count in counts.items()) / 1e6)


@pytest.fixture
def measures() -> dict[str, Measure]:
    answers = _trend({229: 1, 453: 449, 593: 3, 1790: 25, 51_290: 18, 51_522: 5})
    return {
        "iterations": Counter(501, 5.0),
        "http_reqs": Counter(501, 5.0),
        "http_req_duration": answers,
        "http_req_duration{name:payment}": answers,
        "http_req_failed": Rate(5, 501),
        "checks": Rate(997, 1503),
        "checks{check:status is 201}": Rate(496, 501),
        "checks{check:body is OK}": Rate(501, 501),
        "checks{check:never}": Rate(0, 501),
        "checks{check:after that}": Rate(0, 0),
        "dropped_iterations": Counter(12, 5.0),
        "iteration_duration": answers,
        "latency": answers,
        "lateness": _trend({100: 1, 200: 1, 300: 1}),
        "in_flight": Gauge(2, 0, 12),
    }


@pytest.fixture
def summary(measures: dict[str, Measure]) -> LoadSummary:
    thresholds = THRESHOLDS.validate_python(
        {
            "http_req_duration{name:payment}": ["max<5s"],
            "http_req_duration": ["p(95)<2s", "p(99)<1ms"],
            "http_req_failed{name:nobody}": ["rate>0.5"],
            "checks{check:status is 201}": ["rate>0.9"],
            "checks": ["rate>0.5"],
        }
    )
    return LoadSummary(
        measures=measures,
        judged=tuple(evaluate(thresholds, measures)),
        target_rate=102.6,
        achieved_rate=100.2,
        seconds=5.0,
        reasons={"bad_answer": 5, "timeout": 12},
        details={"bad_answer": "HTTP 500", "timeout": "no answer\nwithin 30s"},
        honesty=Honesty(("dropped 12 of 513 transactions, more than 1 %",)),
    )


def _print(summary: LoadSummary, **settings: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=80, **settings).print(render(summary), soft_wrap=True)
    return out.getvalue()


def test_a_pipe_gets_the_text_that_k6_would_print(summary: LoadSummary) -> None:
    assert _print(summary) == EXPECTED


def test_a_terminal_gets_the_same_text_in_colours(summary: LoadSummary) -> None:
    coloured = _print(summary, force_terminal=True, color_system="standard")
    assert "\x1b[32m✓\x1b[0m 'rate>0.5' rate=\x1b[36m66.33%\x1b[0m" in coloured
    assert "\x1b[31m    ✗ never\x1b[0m" in coloured
    assert render(summary).plain + "\n" == EXPECTED


def test_there_is_no_section_without_thresholds_or_checks(measures: dict[str, Measure]) -> None:
    """A TCP probe has no HTTP section either."""
    ours = {key: measure for key, measure in measures.items() if not key.startswith(("http", "checks"))}
    lines = _print(LoadSummary(ours, (), 0.0, 0.0, 5.0)).splitlines()
    assert lines[:3] == ["  █ TOTAL RESULTS", "", "    EXECUTION"]
    assert lines[-1].split() == ["failed...............:", "0"]
    assert "    target_rate..........: 0.00/s" in lines


def test_the_metric_of_a_threshold_is_shown_without_samples_too() -> None:
    """Below its metric, as k6 does."""
    judged = tuple(evaluate(THRESHOLDS.validate_python({"http_reqs{name:nobody}": ["count>5"]}), {}))
    lines = _print(LoadSummary({}, judged, 1.0, 0.0, 5.0)).splitlines()
    assert lines[2:4] == ["    http_reqs{name:nobody}", "    ✗ 'count>5' count=0"]
    at = lines.index("    HTTP")
    assert lines[at + 1 : at + 3] == ["    http_reqs...........: 0 0/s", "      { name:nobody }...: 0 0/s"]


def test_an_honest_load_is_marked_honest(summary: LoadSummary) -> None:
    assert "    honest...............: yes\n" in _print(replace(summary, honesty=Honesty()))


def test_foreign_text_is_neither_markup_nor_escape_code(summary: LoadSummary) -> None:
    """Names of checks and details of failures come from files and servers."""
    hostile = replace(
        summary,
        measures={**summary.measures, "checks{check:[bold]\x1b[31m\nred}": Rate(1, 2)},
        details={"timeout": "[red]\x1b[2J", "bad_answer": "\r\x00"},
    )
    text = _print(hostile)
    assert "    ✗ [bold]�[31m red\n" in text
    assert "      { timeout }........: 12 [red]�[2J\n" in text
    assert not {"\x1b", "\x00", "\r"} & set(text)


def test_the_export_has_the_keys_and_units_of_k6(summary: LoadSummary) -> None:
    """Milliseconds, `value` for the share of a rate, and true beside a crossed threshold."""
    exported = json.loads(export(summary))
    metrics = exported["metrics"]
    assert metrics["http_req_duration"] == {
        "avg": 2.856257,
        "min": 0.229,
        "med": 0.453,
        "max": 51.522,
        "p(90)": 0.593,
        "p(95)": 1.79,
        "thresholds": {"p(95)<2s": False, "p(99)<1ms": True},
    }
    assert metrics["http_req_failed"] == {"passes": 5, "fails": 496, "value": 5 / 501}
    assert metrics["http_req_failed{name:nobody}"]["thresholds"] == {"rate>0.5": False}
    assert metrics["http_reqs"] == {"count": 501, "rate": 100.2}
    assert metrics["in_flight"] == {"value": 2, "min": 0, "max": 12}
    assert metrics["lateness"]["p(99)"] == 0.3


def test_the_export_numbers_checks_as_k6_does(summary: LoadSummary) -> None:
    """The ids are those that k6 1.8 gave to the same names."""
    root = json.loads(export(summary))["root_group"]
    assert (root["name"], root["path"], root["id"]) == ("", "", "d41d8cd98f00b204e9800998ecf8427e")
    assert root["checks"]["status is 201"] == {
        "name": "status is 201",
        "path": "::status is 201",
        "id": "ec8c9afd59577ad0eb26fbf150ecf791",
        "passes": 496,
        "fails": 5,
    }


def test_the_export_has_rates_and_failures(summary: LoadSummary) -> None:
    assert json.loads(export(summary))["load"] == {
        "target_rate": 102.6,
        "achieved_rate": 100.2,
        "seconds": 5.0,
        "honest": False,
        "dishonest_because": ["dropped 12 of 513 transactions, more than 1 %"],
        "failed": {
            "bad_answer": {"count": 5, "detail": "HTTP 500"},
            "timeout": {"count": 12, "detail": "no answer\nwithin 30s"},
        },
    }
