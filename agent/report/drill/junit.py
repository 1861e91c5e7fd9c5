"""The report for a CI server: a suite for the drill, a case for each alert, and one for the payment audit of the lab.

A case is named by the labels in the drill file, not by those that fired: so it has the same name in every run.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AuditRecord
from alertdrill.agent.report import words
from alertdrill.agent.report.drill import wording
from alertdrill.agent.verdict.verdict import Judgement, Verdict, VerdictOutcome

# XML 1.0 cannot hold these characters, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(recording: Recording, judgement: Judgement) -> str:
    """Render a judgement as JUnit XML: an alert that was not as expected fails, an inconclusive one is an error."""
    suite = TestSuite(recording.drill.name)
    suite.timestamp = datetime.fromtimestamp(recording.started_at, UTC).isoformat(timespec="seconds")
    for verdict in judgement.verdicts:
        suite.add_testcase(_case(recording, verdict, judgement.fault_at))
    if recording.audit is not None:
        suite.add_testcase(_audit(recording, recording.audit, judgement))
    # A case has the time from the fault to its alert; the suite has that of the whole drill.
    suite.time = round(recording.ended_at - recording.started_at, 3)
    xml = JUnitXml("alertdrill")
    xml.add_testsuite(suite)
    text = xml.tostring()  # type: ignore[no-untyped-call]
    return text.decode() if isinstance(text, bytes) else str(text)


def _case(recording: Recording, verdict: Verdict, fault_at: float) -> TestCase:
    name = verdict.alert + words.labels_words(wording.stable_labels(recording, verdict))
    case = TestCase(_xml(name), classname=recording.drill.name, time=_seconds_to_firing(verdict, fault_at))
    reason = _xml(f"{wording.outcome_words(verdict.outcome)}: {verdict.explanation}")
    timeline = _xml(_timeline(recording, verdict, fault_at))
    if verdict.outcome is VerdictOutcome.PASSED:
        case.system_out = timeline
        return case
    kind = Error if verdict.outcome is VerdictOutcome.INCONCLUSIVE else Failure
    result = kind(message=reason, type_=verdict.outcome.value)
    result.text = f"{reason}\n{timeline}"
    case.result = [result]
    return case


def _audit(recording: Recording, audit: AuditRecord, judgement: Judgement) -> TestCase:
    case = TestCase("audit", classname=recording.drill.name, time=0.0)
    text = _xml(wording.audit_words(audit))
    if judgement.audit_problems:
        case.result = [Failure(message=text, type_="audit")]
    else:
        case.system_out = text
    return case


def _seconds_to_firing(verdict: Verdict, fault_at: float) -> float:
    fired = next((m.at for m in verdict.milestones if m.name == "firing" and m.at is not None), fault_at)
    return round(max(fired - fault_at, 0.0), 3)


def _timeline(recording: Recording, verdict: Verdict, fault_at: float) -> str:
    lines = [f"labels {words.labels_words(verdict.labels)}"] if verdict.labels else []
    if attempt := wording.attempt_words(recording):
        lines.append(f"{wording.outcome_words(verdict.outcome)} {attempt}")
    for milestone in verdict.milestones:
        window = wording.window_words(milestone.window, fault_at)
        why = f" {milestone.window.arithmetic}" if milestone.window else ""
        lines.append(f"{milestone.name} {wording.came(milestone, fault_at)} {window}{why}")
    lines += [f"note: {note}" for note in verdict.notes]
    if verdict.runbook is not None:
        lines.append(f"runbook: {verdict.runbook.page or verdict.runbook.url}")
    if dashboard := wording.dashboard_link(recording, verdict.alert):
        lines.append(f"dashboard: {dashboard}")
    return "\n".join(lines)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
