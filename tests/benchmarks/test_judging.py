"""The recording of two hours: it is the same each time, and its contents are like those of a real drill."""

from __future__ import annotations

from pathlib import Path

import promql_parser as promql
import pytest

from alertdrill.agent.recording.recording import Recording, write_recording
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome
from benchmarks.judging.page import Measured, Size, render
from benchmarks.judging.promql import Evaluator
from benchmarks.judging.service import BEGINS, ENDS, FAULT_BEGINS, exposed
from benchmarks.judging.two_hours import recording
from benchmarks.results import Circumstances

HERE = Circumstances("2026-01-02 03:04 UTC", "A Processor", 2, 7.5, "Linux 6", 0.1, {"Python": "3.11"})
SIZE = Size(alerts=8, seconds=7200, buckets=20, samples=48_000)


@pytest.fixture(scope="module")
def two_hours() -> Recording:
    return recording()


def test_every_shipped_rule_is_judged_two_fire_and_six_have_a_reason(two_hours: Recording) -> None:
    judgement = judge(two_hours)
    found = {verdict.alert: verdict for verdict in judgement.verdicts}
    passed = {alert for alert, verdict in found.items() if verdict.outcome is VerdictOutcome.PASSED}
    silent = [verdict.finding for verdict in judgement.verdicts if verdict.alert not in passed]
    assert len(found) == 8
    assert passed == {"HighResponseTime", "LowCacheHitRate"}
    assert {finding.link for finding in silent if finding is not None} == {ChainLink.NEVER_CROSSED}
    assert judgement.undermined_by == ()


def test_each_instance_fires_its_own_alert(two_hours: Recording) -> None:
    fired = {a.labels["instance"] for a in two_hours.alerts if a.labels["alertname"] == "HighResponseTime"}
    assert len(fired) == 3


def test_every_milestone_is_inside_its_window(two_hours: Recording) -> None:
    (verdict,) = (one for one in judge(two_hours).verdicts if one.alert == "HighResponseTime")
    assert {milestone.name: milestone.lawful for milestone in verdict.milestones} == dict.fromkeys(
        ("condition", "pending", "firing", "notified", "resolved"), True
    )


def test_the_recording_is_the_same_each_time(two_hours: Recording, tmp_path: Path) -> None:
    for name, one in (("a", two_hours), ("b", recording())):
        write_recording(one, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("expr", "at", "value"),
    [
        ("rate(payment_engine_transactions_processed_total[5m])", BEGINS + 900, 200),
        ("rate(payment_engine_errors_total[5m])", BEGINS + 900, 0.4),
        ("rate(payment_engine_errors_total[5m])", FAULT_BEGINS + 900, 6),
        ("rate(payment_engine_errors_total[5m]) / rate(payment_engine_transactions_processed_total[5m])", ENDS, 0.002),
        # From an exponential distribution with a mean of 0.05 s, interpolated between 0.1 and 0.25 s.
        (
            "histogram_quantile(0.95, rate(payment_engine_transactions_response_time_seconds_bucket[5m]))",
            ENDS,
            0.1 + 0.15 * (0.95 - 0.864665) / (0.993262 - 0.864665),
        ),
    ],
)
def test_expressions_have_the_expected_values(expr: str, at: float, value: float) -> None:
    found = Evaluator(exposed()).at(promql.parse(expr), at)
    assert len(found) == 3
    assert list(found.values()) == pytest.approx([value] * 3, rel=0.01)


def test_a_comparison_keeps_the_series_for_which_it_holds() -> None:
    found = Evaluator(exposed()).at(promql.parse("payment_engine_resources_memory_usage > 0"), ENDS)
    assert {dict(labels)["instance"][:15] for labels in found} == {"payment-engine-"}
    assert Evaluator(exposed()).at(promql.parse("payment_engine_resources_memory_usage > 1000"), ENDS) == {}


def test_the_evaluator_rejects_unsupported_promql() -> None:
    with pytest.raises(ValueError, match="delta"):
        Evaluator(exposed()).at(promql.parse("delta(payment_engine_errors_total[5m])"), ENDS)


@pytest.mark.parametrize(
    ("file_bytes", "rounds", "is_good"),
    [
        (400_000, ((0.1, 0.2), (0.4, 0.9)), True),
        (400_000, ((0.4, 0.7), (0.4, 0.9)), False),
        (5_000_001, ((0.1, 0.2),), False),
    ],
)
def test_the_best_round_and_the_size_decide(
    *, file_bytes: int, rounds: tuple[tuple[float, float], ...], is_good: bool
) -> None:
    assert Measured(HERE, SIZE, file_bytes, rounds).is_good is is_good


def test_the_page_shows_the_best_round_beside_the_goals() -> None:
    page = render(Measured(HERE, SIZE, 400_000, ((0.4, 0.9), (0.12, 0.25))))
    assert "| recording, megabytes | 0.40 | 5 |" in page
    assert "| reading it, seconds | 0.12 | |" in page
    assert "| both, seconds | 0.37 | 1 |" in page
    assert "48,000 values of series" in page
