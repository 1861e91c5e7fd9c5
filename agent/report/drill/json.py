"""The report for a program: JSON whose keys are stable.

drill, attempt (only from the second try on), summary, exit_code (0 passed, 1 failed, 3 inconclusive), outcome (the same as a word);
started_at, ended_at, fault_at: Unix seconds;
verdicts: alert, labels, outcome, reason, receiver, and milestones by name, each with `at` (Unix seconds),
`seconds_after_fault`, `lawful` (true, false, or null where there is nothing to compare), `judged` (false where the
window is only expected), `margin_seconds` (after the earliest and before the latest instant) and `window` (null, or
earliest, latest: Unix seconds; earliest_seconds_after_fault, latest_seconds_after_fault; arithmetic);
finding: null, or the first broken link, a sentence and its evidence; spans: how long each part took between the fault
and the notification; notes: what could not be checked, a sentence each;
dashboard: null, or its URL at the time of the drill;
runbook: null, or its `url`, and its `page` (null, or its path from the folder of this report);
load: totals, rates in transactions a second, latencies in seconds, failure reasons;
faults: kind, target, settings, injected_at, in_force_at and undo_began_at (only where they were recorded), healed_at;
allowed; undermined_by; versions;
kpis: kpi, objective (null where there is none), unit, and values: phase, labels, value, status (green, yellow, red,
untargeted); values is empty where nothing could be measured;
audit: null where there was no payment audit, or passed, problems, and how many of the acknowledged transactions were
booked (balances are decimals in quotes).
Keys may be added; existing keys keep their meaning as long as `version` stays.
"""

from __future__ import annotations

import json
from typing import Any

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import FaultRecord, KpiRecord
from alertdrill.agent.report.drill import wording
from alertdrill.agent.scorecard.card import status
from alertdrill.agent.verdict.verdict import Finding, Judgement, Milestone, Verdict, Window

VERSION = 1
_NEWER_KEYS = ("in_force_at", "undo_began_at")


def render(recording: Recording, judgement: Judgement) -> str:
    """Render a judgement as JSON text, ending in a newline."""
    report = {
        "version": VERSION,
        "drill": recording.drill.name,
        **({"attempt": recording.attempt} if recording.attempt > 1 else {}),
        "summary": recording.drill.summary,
        "exit_code": judgement.exit_code,
        "outcome": wording.OVERALL[judgement.exit_code],
        "started_at": recording.started_at,
        "ended_at": recording.ended_at,
        "fault_at": judgement.fault_at,
        "time_scale": recording.time_scale,
        "verdicts": [
            _verdict(verdict, judgement.fault_at) | {"dashboard": wording.dashboard_link(recording, verdict.alert)}
            for verdict in judgement.verdicts
        ],
        "load": _load(recording),
        "faults": [_fault(fault) for fault in recording.faults],
        "kpis": [_kpi(record) for record in recording.kpis],
        "audit": _audit(recording, judgement),
        "allowed": list(judgement.allowed),
        "undermined_by": list(judgement.undermined_by),
        "versions": {
            "alertdrill": recording.alertdrill,
            "prometheus": recording.prometheus.version,
            "alertmanager": recording.alertmanager.version,
        },
    }
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _fault(fault: FaultRecord) -> dict[str, Any]:
    return fault.model_dump(mode="json", exclude={key for key in _NEWER_KEYS if getattr(fault, key) is None})


def _verdict(verdict: Verdict, fault_at: float) -> dict[str, Any]:
    return {
        "alert": verdict.alert,
        "labels": verdict.labels,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "receiver": verdict.receiver,
        "milestones": {milestone.name: _milestone(milestone, fault_at) for milestone in verdict.milestones},
        "finding": None if verdict.finding is None else _finding(verdict.finding),
        "notes": list(verdict.notes),
        "runbook": None if verdict.runbook is None else {"url": verdict.runbook.url, "page": verdict.runbook.page},
        "spans": [{"until": span.name, "seconds": round(span.seconds, 3), "text": span.text} for span in verdict.spans],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {"link": finding.link.value, "sentence": finding.sentence, "evidence": list(finding.evidence)}


def _milestone(milestone: Milestone, fault_at: float) -> dict[str, Any]:
    return {
        "at": milestone.at,
        "seconds_after_fault": None if milestone.at is None else _after(fault_at, milestone.at),
        "lawful": milestone.lawful,
        "judged": milestone.judged,
        "margin_seconds": None if milestone.margins is None else [round(one, 3) for one in milestone.margins],
        "window": None if milestone.window is None else _window(milestone.window, fault_at),
    }


def _window(window: Window, fault_at: float) -> dict[str, Any]:
    return {
        "earliest": window.earliest,
        "latest": window.latest,
        "earliest_seconds_after_fault": _after(fault_at, window.earliest),
        "latest_seconds_after_fault": _after(fault_at, window.latest),
        "arithmetic": window.arithmetic,
    }


def _after(fault_at: float, instant: float) -> float:
    # Prometheus has milliseconds; smaller digits come from subtracting floats.
    return round(instant - fault_at, 3)


def _load(recording: Recording) -> dict[str, Any]:
    load = recording.load
    return {
        "target_rate": load.target_rate,
        "reached_rate": round(wording.reached_rate(recording), 3),
        "due": load.due,
        "succeeded": load.succeeded,
        "failed": load.failed,
        "dropped": load.dropped,
        "in_flight_at_end": load.in_flight_at_end,
        "reasons": load.reasons,
        "lateness_p99_seconds": load.lateness_p99_seconds,
        "p95_baseline_seconds": wording.p95_seconds(recording, "baseline"),
        "p95_fault_seconds": wording.p95_seconds(recording, "fault"),
    }


def _kpi(record: KpiRecord) -> dict[str, Any]:
    kpi = record.kpi
    values = [
        {"phase": one.phase, "labels": one.labels, "value": one.value, "status": status(kpi, one.value).value}
        for one in record.values
    ]
    return {"kpi": kpi.name, "objective": kpi.objective, "unit": kpi.unit, "values": values}


def _audit(recording: Recording, judgement: Judgement) -> dict[str, Any] | None:
    if recording.audit is None:
        return None
    verdict = {"passed": not judgement.audit_problems, "problems": list(judgement.audit_problems)}
    return verdict | recording.audit.model_dump(mode="json")
