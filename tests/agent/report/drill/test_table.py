"""Several drills in one table: each alert's instants beside their windows, for a terminal and for a log."""

from __future__ import annotations

import io

from rich.console import Console

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AuditRecord, FoundRecord
from alertdrill.agent.report.drill import table as drills_table
from alertdrill.agent.verdict.judge import judge


def _shown(*recordings: Recording) -> str:
    out = io.StringIO()
    drills = [(recording, judge(recording)) for recording in recordings]
    drills_table.show(Console(file=out, width=80), drills, len(drills), 41.26)
    return out.getvalue()


def _audited(recording: Recording, missing: int) -> Recording:
    lost = FoundRecord(count=missing, examples=["k1"] if missing else [])
    audit = AuditRecord(acknowledged=100, found=100 - missing, missing=lost, balance_before=0, balance_after=0)
    return recording.model_copy(update={"audit": audit})


def test_each_alert_has_its_instants_its_windows_and_its_verdict(passed: Recording) -> None:
    """Pending at +5.2 s, firing 10 evaluations later, notified 2 s after that; a log gets the full width."""
    text = _shown(_audited(passed, 0))
    for cell in ("slow-database", "OrdersSlow", "+5.20 s ✓", "[15.20 … 15.20]", "+17.30 s ✓", "passed", "100 of 100"):
        assert cell in text
    assert "1 of 1 drills passed in 41.3 s" in text


def test_a_drill_that_did_not_pass_is_shown_and_not_counted(passed: Recording, missed: Recording) -> None:
    text = _shown(passed, missed)
    assert "missed" in text
    assert "1 of 2 drills passed" in text


def test_a_drill_with_a_failed_audit_does_not_pass(passed: Recording) -> None:
    text = _shown(_audited(passed, 1))
    assert "failed" in text
    assert "0 of 1 drills passed" in text


def test_a_quiet_control_has_a_row(passed: Recording) -> None:
    drill = passed.drill.model_copy(update={"expect": [], "allow": []})
    quiet = passed.model_copy(update={"drill": drill, "alerts": [], "faults": [], "watched": []})
    text = _shown(quiet)
    assert "no alert" in text
    assert "1 of 1 drills passed" in text


def _again(recording: Recording) -> Recording:
    return recording.model_copy(update={"attempt": 2, "time_scale": 15.0})


def test_a_later_try_is_named_in_its_row_and_in_the_last_line(passed: Recording) -> None:
    text = _shown(passed, _again(passed))
    assert text.count("at the second try, alone at time") == 1 + 1
    last = text.splitlines()[-1]
    assert last == ("2 of 2 drills passed in 41.3 s (slow-database passed at the second try, alone at time scale 15)")


def test_a_control_that_passed_at_a_later_try_says_so(passed: Recording) -> None:
    drill = passed.drill.model_copy(update={"expect": [], "allow": []})
    quiet = passed.model_copy(update={"drill": drill, "alerts": [], "faults": [], "watched": [], "attempt": 3})
    assert "(slow-database passed at the third try, alone at time scale 1)" in _shown(quiet)
