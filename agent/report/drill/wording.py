"""Verdicts, milestones and figures of a drill as its reports show them."""

from __future__ import annotations

import math
from statistics import median
from typing import Protocol
from urllib.parse import quote

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AuditRecord, FaultRecord, Phase
from alertdrill.agent.report.words import settings_words
from alertdrill.agent.verdict.audit import audit_problems
from alertdrill.agent.verdict.verdict import Milestone, Runbook, Verdict, VerdictOutcome, Window

OVERALL = {0: "passed", 1: "failed", 3: "inconclusive"}
"""The word for each exit code of a judgement."""
BADGES = {0: "good", 1: "bad", 3: "unsure"}
"""The CSS class for each exit code."""
MARKS = {0: "✓", 1: "✗", 3: "?"}
"""The sign for each exit code."""


_ORDINALS = {2: "second", 3: "third"}


class Tried(Protocol):
    """A recording, or what a report has of it."""

    @property
    def attempt(self) -> int:
        """Its number, from 1 on."""

    @property
    def time_scale(self) -> float:
        """What its durations were divided by."""


def attempt_words(one: Tried) -> str:
    """Return at which try a drill was judged; empty at the first one."""
    if one.attempt == 1:
        return ""
    return f"at the {_ORDINALS.get(one.attempt, f'{one.attempt}th')} try, alone at time scale {one.time_scale:g}"


def mark(outcome: str) -> str:
    """Return the sign of an outcome (a VerdictOutcome, or its text): passed, inconclusive, or not as expected."""
    signs: dict[str, str] = {VerdictOutcome.PASSED: "✓", VerdictOutcome.INCONCLUSIVE: "?"}
    return signs.get(outcome, "✗")


def tone(outcome: str) -> str:
    """Return the CSS class of an outcome: `good`, `unsure` or `bad`."""
    tones: dict[str, str] = {VerdictOutcome.PASSED: "good", VerdictOutcome.INCONCLUSIVE: "unsure"}
    return tones.get(outcome, "bad")


def outcome_words(outcome: str) -> str:
    """Format an outcome for people: `wrong receiver`."""
    return outcome.replace("_", " ")


def seconds_after(fault_at: float, instant: float) -> str:
    """Format an instant as seconds after the fault, with its sign: `+14.02 s`."""
    return f"{instant - fault_at:+.2f} s"


def came(milestone: Milestone, fault_at: float) -> str:
    """Format when a milestone was reached, in seconds after the fault."""
    return "not seen" if milestone.at is None else seconds_after(fault_at, milestone.at)


def margin_words(milestone: Milestone) -> str:
    """Format the time from the start of the window to the milestone, and from there to its end: `0.14 s / 0.95 s`."""
    margins = milestone.margins
    return "—" if margins is None else f"{margins[0]:.2f} s / {margins[1]:.2f} s"


def window_words(window: Window | None, fault_at: float) -> str:
    """Format a lawful window as seconds after the fault: `[14.01 … 14.52]`."""
    if window is None:
        return "—"
    return f"[{window.earliest - fault_at:.2f} … {window.latest - fault_at:.2f}]"


def stable_labels(recording: Recording, verdict: Verdict) -> dict[str, str]:
    """Return the labels that the drill file names: the same in every run, whichever instance fired."""
    return next((e.labels for e in recording.drill.expect if e.alert == verdict.alert), {})


def reached_rate(recording: Recording) -> float:
    """Return how many transactions were due each second, on average."""
    seconds = recording.load.seconds
    return sum(second.due for second in seconds) / len(seconds) if seconds else 0.0


def p95_seconds(recording: Recording, phase: Phase) -> float | None:
    """Return the median p95 of the whole seconds of a phase; None when no transaction ended in them."""
    values = [
        second.p95_seconds
        for record in recording.phases
        if record.phase == phase
        for second in recording.load.seconds
        if record.started_at <= second.at and second.at + 1 <= record.ended_at and second.p95_seconds is not None
    ]
    return median(values) if values else None


def fault_settings(fault: FaultRecord) -> dict[str, str]:
    """Format the settings of a fault as its file has them, except for its kind."""
    return settings_words(fault.settings, without={"kind"})


def fault_outcomes(recording: Recording) -> list[str]:
    """Return what came of each fault if something is known, once for a fault that repeats."""
    said = (f"{fault.kind} on {fault.target}: {fault.outcome}" for fault in recording.faults if fault.outcome)
    return list(dict.fromkeys(said))


def audit_words(audit: AuditRecord) -> str:
    """Summarise a payment audit in one line: how many transactions were found, or every problem."""
    problems = audit_problems(audit)
    if problems:
        return f"failed: {'; '.join(problems)}"
    if audit.acknowledged == 0:
        return "no transaction was acknowledged by an id; money conserved"
    return f"{audit.acknowledged:,} acknowledged transactions, all in the payments table exactly once; money conserved"


def runbook_links(runbook: Runbook) -> list[tuple[str, str | None]]:
    """List the links to a runbook: text and address; the address is None where a browser must not follow it."""
    # A link from outside could run a program: `javascript:…`.
    is_web = runbook.url.lower().startswith(("http://", "https://"))
    links = [(runbook.url, runbook.url if is_web else None)]
    if runbook.page is not None:
        links.insert(0, (runbook.page.rpartition("/")[2], quote(runbook.page)))
    return links


def dashboard_link(recording: Recording, alert: str) -> str | None:
    """Return the URL of an alert's dashboard at the time of the drill; None where a browser must not follow it."""
    url = recording.dashboards.get(alert, "")
    if not url.lower().startswith(("http://", "https://")):
        return None
    return f"{url}?from={math.floor(recording.started_at * 1000)}&to={math.ceil(recording.ended_at * 1000)}"
