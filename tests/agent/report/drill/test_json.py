"""The JSON report has stable keys and exact instants."""

from __future__ import annotations

import json

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.verdict.judge import judge


def test_a_milestone_has_its_window(passed: Recording) -> None:
    """Unix seconds for programs, seconds after the fault for people."""
    report = json.loads(json_report.render(passed, judge(passed)))
    assert (report["drill"], report["exit_code"], report["outcome"]) == ("slow-database", 0, "passed")
    firing = report["verdicts"][0]["milestones"]["firing"]
    assert firing["at"] == pytest.approx(1_790_000_045.2)
    assert firing["seconds_after_fault"] == 15.2
    assert firing["lawful"] is True
    assert firing["window"]["earliest_seconds_after_fault"] == 15.198
    assert "ceil(for 10 s / interval 1 s)" in firing["window"]["arithmetic"]
    assert report["faults"][0]["settings"]["latency"] == "300ms"
    assert report["allowed"] == ["QueueGrows"]
    assert report["load"]["reached_rate"] == 100


def test_a_missed_alert_has_no_milestones(missed: Recording) -> None:
    """Exit code 1, and the reason of the judge."""
    report = json.loads(json_report.render(missed, judge(missed)))
    assert report["exit_code"] == 1
    assert report["verdicts"][0]["outcome"] == "missed"
    assert report["verdicts"][0]["milestones"] == {}


def test_what_undermines_a_drill_is_listed(inconclusive: Recording) -> None:
    """Exit code 3, and why."""
    report = json.loads(json_report.render(inconclusive, judge(inconclusive)))
    assert report["exit_code"] == 3
    assert report["undermined_by"] == ["the drill was broken off: somebody pressed Ctrl-C"]


def test_only_a_later_try_is_numbered(passed: Recording) -> None:
    assert "attempt" not in json.loads(json_report.render(passed, judge(passed)))
    again = passed.model_copy(update={"attempt": 3})
    assert json.loads(json_report.render(again, judge(again)))["attempt"] == 3
