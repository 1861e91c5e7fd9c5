"""Every report has the notes on what a verdict could not check."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.recording.recording import Recording, write_recording
from alertdrill.agent.report.drill import html, junit
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome

# Prometheus 3.14 reads it.
UNREADABLE = "rate(orders_slow_total[5m * 2]) > 0.5"
BEYOND = "the expression of OrdersSlow is beyond this version's parser"


def _unreadable(recording: Recording) -> Recording:
    """Record only the whole expression and no targets, as for such a rule."""
    rule = recording.rules[0].model_copy(update={"expr": UNREADABLE})
    (record,) = recording.watched
    whole = record.parts[0].model_copy(update={"expr": UNREADABLE})
    watched = record.model_copy(update={"parts": [whole]})
    return recording.model_copy(update={"rules": [rule, *recording.rules[1:]], "watched": [watched], "targets": []})


def test_a_rule_beyond_the_parser_is_judged_by_its_timeline(passed: Recording) -> None:
    """Pending 5.2 s after the fault is accepted as reported, firing must come 10 s later, and it ends 63 s after that."""
    (verdict,) = judge(_unreadable(passed)).verdicts
    assert verdict.outcome is VerdictOutcome.PASSED
    assert [note.startswith(BEYOND) for note in verdict.notes] == [True]
    fault_at = passed.faults[0].injected_at
    windows = {one.name: one.window for one in verdict.milestones}
    assert windows["condition"] is None
    firing, pending = windows["firing"], windows["pending"]
    assert firing is not None
    assert (firing.earliest - fault_at, firing.latest - fault_at) == pytest.approx((15.198, 15.202))
    assert pending is not None
    assert pending.holds(fault_at + 5.2)


def test_one_that_fired_too_soon_is_still_reported(passed: Recording) -> None:
    rules = [one.model_copy(update={"for_seconds": 12}) for one in _unreadable(passed).rules]
    (verdict,) = judge(_unreadable(passed).model_copy(update={"rules": rules})).verdicts
    assert verdict.outcome is VerdictOutcome.EARLY
    assert verdict.notes


def test_its_silence_is_explained_with_what_is_unknown(missed: Recording) -> None:
    (verdict,) = judge(_unreadable(missed)).verdicts
    assert verdict.outcome is VerdictOutcome.MISSED
    assert verdict.finding is not None
    assert verdict.finding.link is ChainLink.NEVER_TRUE
    assert verdict.reason == "its expression was never true, and cannot be taken apart to see why"
    assert verdict.notes[0].startswith(BEYOND)


def test_every_report_has_the_note(tmp_path: Path, passed: Recording) -> None:
    recording = _unreadable(passed)
    judgement = judge(recording)
    page = html.render(recording, judgement)
    assert "OrdersSlow is beyond this version&#39;s parser" in page
    assert BEYOND in json_report.render(recording, judgement)
    assert "OrdersSlow is beyond this version" in junit.render(recording, judgement)
    write_recording(recording, tmp_path / "r.gz")
    shown = CliRunner().invoke(app, ["judge", str(tmp_path / "r.gz"), "--no-color"], env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    assert f"note: {BEYOND}" in shown.stdout
    assert gzip.decompress((tmp_path / "r.gz").read_bytes()).count(b"5m * 2") == 2


def test_a_rule_that_was_not_evaluated_again_is_judged_by_its_alerts(passed: Recording) -> None:
    (verdict,) = judge(passed.model_copy(update={"watched": [], "targets": []})).verdicts
    assert verdict.outcome is VerdictOutcome.PASSED
    assert verdict.notes == (
        "OrdersSlow was not evaluated again: when its condition held is known from its alerts alone",
    )


def test_a_query_that_prometheus_refused_is_reported(passed: Recording) -> None:
    (record,) = passed.watched
    refused = record.parts[0].model_copy(update={"series": [], "total": 0, "error": "query timed out"})
    watched = record.model_copy(update={"parts": [refused, *record.parts[1:]]})
    (verdict,) = judge(passed.model_copy(update={"watched": [watched]})).verdicts
    assert verdict.outcome is VerdictOutcome.PASSED
    assert "could not be evaluated again (query timed out)" in verdict.notes[0]


def test_series_that_were_not_kept_are_counted(passed: Recording) -> None:
    (record,) = passed.watched
    many = record.parts[0].model_copy(update={"total": 80})
    watched = record.model_copy(update={"parts": [many, *record.parts[1:]]})
    (verdict,) = judge(passed.model_copy(update={"watched": [watched]})).verdicts
    assert verdict.outcome is VerdictOutcome.PASSED
    assert verdict.notes[0].startswith("of 80 series that OrdersSlow found, 1 were kept")


def test_a_fully_known_rule_needs_no_note(passed: Recording, missed: Recording) -> None:
    assert [verdict.notes for one in (passed, missed) for verdict in judge(one).verdicts] == [(), ()]
