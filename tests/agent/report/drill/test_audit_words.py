"""Every report shows the payment audit of the lab, if there was one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from alertdrill.agent.recording.recording import Recording, read_recording, write_recording
from alertdrill.agent.recording.records import AuditRecord, FoundRecord
from alertdrill.agent.report.drill import html, junit, terminal
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.verdict.judge import judge

WELL = AuditRecord(acknowledged=3213, found=3213, balance_before=Decimal("7.00"), balance_after=Decimal("7.00"))
LOST = WELL.model_copy(update={"found": 3212, "missing": FoundRecord(count=1, examples=["<4f1c>\x1b"])})


def _terminal(recording: Recording) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(terminal.render(recording, judge(recording)))
    return out.getvalue()


def _page(recording: Recording) -> str:
    return html.render(recording, judge(recording))


def _junit(recording: Recording) -> str:
    return junit.render(recording, judge(recording))


@pytest.mark.parametrize("render", [_terminal, _page, _junit])
def test_a_report_summarises_the_audit(passed: Recording, render: Callable[[Recording], str]) -> None:
    well = render(passed.model_copy(update={"audit": WELL}))
    lost = render(passed.model_copy(update={"audit": LOST}))
    assert "3,213 acknowledged transactions, all in the payments table exactly once; money conserved" in well
    assert "failed: 1 of 3,213 acknowledged transactions not in the payments table: " in lost
    assert "audit" not in render(passed).lower()


def test_a_failed_audit_is_a_failed_drill_in_every_report(passed: Recording) -> None:
    lost = passed.model_copy(update={"audit": LOST})
    assert "slow-database failed" in _terminal(lost)
    assert '<span class="badge bad">failed</span>' in _page(lost)
    assert 'failures="1"' in _junit(lost)
    assert json.loads(json_report.render(lost, judge(lost)))["exit_code"] == 1


def test_an_id_from_outside_is_not_markup(passed: Recording) -> None:
    lost = passed.model_copy(update={"audit": LOST})
    assert "&lt;4f1c&gt;" in _page(lost)
    assert "\x1b" not in _terminal(lost) + _junit(lost)


def test_the_json_has_the_figures(passed: Recording) -> None:
    lost = passed.model_copy(update={"audit": LOST})
    answer = json.loads(json_report.render(lost, judge(lost)))["audit"]
    assert (answer["passed"], answer["acknowledged"], answer["found"]) == (False, 3213, 3212)
    assert answer["missing"] == {"count": 1, "examples": ["<4f1c>\x1b"]}
    assert answer["balance_after"] == "7.00"
    assert json.loads(json_report.render(passed, judge(passed)))["audit"] is None


def test_a_recording_keeps_its_audit(tmp_path: Path, passed: Recording) -> None:
    lost = passed.model_copy(update={"audit": LOST})
    write_recording(lost, tmp_path / "r.gz")
    assert read_recording(tmp_path / "r.gz") == lost
