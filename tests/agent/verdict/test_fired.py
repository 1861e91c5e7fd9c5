"""The verdict on an alert whose recording has less than usual."""

from __future__ import annotations

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import SeriesRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome


def _crowded(recording: Recording, total: int) -> Recording:
    """Keep fifty other series instead of the alert's own."""
    record = recording.watched[0]
    whole, *parts = record.parts
    others = [SeriesRecord(labels={"instance": f"other:{n}"}, first=35, values=[9.0]) for n in range(50)]
    crowded = whole.model_copy(update={"series": others, "total": total})
    return recording.model_copy(update={"watched": [record.model_copy(update={"parts": [crowded, *parts]})]})


def test_an_alert_of_a_series_that_was_one_too_many_to_keep_is_held_to_no_window(passed: Recording) -> None:
    verdict = judge(_crowded(passed, 51)).verdicts[0]
    windows = {milestone.name: milestone.window for milestone in verdict.milestones}
    assert verdict.outcome is VerdictOutcome.PASSED, verdict.reason
    assert (windows["pending"], windows["resolved"]) == (None, None)


def test_an_alert_of_no_series_at_all_should_have_ended_at_once(passed: Recording) -> None:
    """Pending at +5.2 s, firing at +15.2 s, and over at the evaluation after that."""
    verdict = judge(_crowded(passed, 50)).verdicts[0]
    window = {milestone.name: milestone.window for milestone in verdict.milestones}["resolved"]
    assert verdict.outcome is VerdictOutcome.LATE
    assert window is not None
    assert window.latest == pytest.approx(passed.faults[0].injected_at + 16.2 + 0.002)
