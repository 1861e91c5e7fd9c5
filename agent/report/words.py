"""The words and numbers that several reports share."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import quote

from alertdrill.agent.rules.labels import spell
from alertdrill.agent.verdict.audit import audit_problems
from alertdrill.agent.verdict.verdict import Milestone, Runbook, Verdict, VerdictOutcome, Window

if TYPE_CHECKING:
    # A load alone has words too, and needs nothing of what drills are made of.
    from alertdrill.agent.recording.recording import Recording
    from alertdrill.agent.recording.records import AuditRecord, Phase

OVERALL = {0: "passed", 1: "failed", 3: "inconclusive"}
"""The word for each exit code of a judgement."""

labels_words = spell
"""Spell labels as PromQL does, without the alert's name; nothing where there are none."""


def mark(outcome: VerdictOutcome) -> str:
    """Tell the sign of an outcome: passed, inconclusive, or not as expected."""
    return {VerdictOutcome.PASSED: "✓", VerdictOutcome.INCONCLUSIVE: "?"}.get(outcome, "✗")


def tone(outcome: VerdictOutcome) -> str:
    """Tell how an outcome is coloured: `good`, `unsure` or `bad`."""
    return {VerdictOutcome.PASSED: "good", VerdictOutcome.INCONCLUSIVE: "unsure"}.get(outcome, "bad")


def outcome_words(outcome: VerdictOutcome) -> str:
    """Spell an outcome for a person."""
    return outcome.value.replace("_", " ")


def seconds_after(fault_at: float, instant: float) -> str:
    """Spell an instant as seconds after the fault, with its sign: `+14.02 s`."""
    return f"{instant - fault_at:+.2f} s"


def came(milestone: Milestone, fault_at: float) -> str:
    """Spell when a milestone came."""
    return "not seen" if milestone.at is None else seconds_after(fault_at, milestone.at)


def margin_words(milestone: Milestone) -> str:
    """Spell how far a milestone was from either end of its window: `0.14 s / 0.95 s`; a dash where there is none."""
    margins = milestone.margins
    return "—" if margins is None else f"{margins[0]:.2f} s / {margins[1]:.2f} s"


def window_words(window: Window | None, fault_at: float) -> str:
    """Spell a lawful window as seconds after the fault: `[14.01 … 14.52]`."""
    if window is None:
        return "—"
    return f"[{window.earliest - fault_at:.2f} … {window.latest - fault_at:.2f}]"


def stable_labels(recording: Recording, verdict: Verdict) -> dict[str, str]:
    """Tell the labels that the drill file names: the same in every run, whichever instance fired."""
    return next((e.labels for e in recording.drill.expect if e.alert == verdict.alert), {})


def utc(instant: float) -> str:
    """Spell Unix seconds as a date and a time in UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def reached_rate(recording: Recording) -> float:
    """Tell how many transactions a second were due, on average."""
    seconds = recording.load.seconds
    return sum(second.due for second in seconds) / len(seconds) if seconds else 0.0


def p95_seconds(recording: Recording, phase: Phase) -> float | None:
    """Tell the median of the p95 of each second that lies wholly in a phase; None when nothing ended there."""
    values = [
        second.p95_seconds
        for record in recording.phases
        if record.phase == phase
        for second in recording.load.seconds
        if record.started_at <= second.at and second.at + 1 <= record.ended_at and second.p95_seconds is not None
    ]
    return median(values) if values else None


def finite(value: float | None) -> float | None:
    """Tell a value as JSON can hold it: None for an infinite one."""
    return value if value is not None and math.isfinite(value) else None


def latency_words(seconds: float | None) -> str:
    """Spell a latency: milliseconds below one second, seconds above; a dash where there is none."""
    if seconds is None:
        return "—"
    # Above this, three digits of milliseconds would be 1e+03.
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def audit_words(audit: AuditRecord) -> str:
    """Spell an audit in a line: what was acknowledged and is there, or all that is wrong."""
    problems = audit_problems(audit)
    if problems:
        return f"failed: {'; '.join(problems)}"
    if audit.acknowledged == 0:
        return "no transaction was acknowledged by an id; money conserved"
    return f"{audit.acknowledged:,} acknowledged transactions, all in the payments table exactly once; money conserved"


def runbook_links(runbook: Runbook) -> list[tuple[str, str | None]]:
    """List what leads to a runbook: text and address, which is None for what a browser should not follow."""
    # A foreign text could be a program: `javascript:…`.
    is_web = runbook.url.lower().startswith(("http://", "https://"))
    links = [(runbook.url, runbook.url if is_web else None)]
    if runbook.page is not None:
        links.insert(0, (runbook.page.rpartition("/")[2], quote(runbook.page)))
    return links


def dashboard_link(recording: Recording, alert: str) -> str | None:
    """Tell the URL of an alert's dashboard at the time of the drill; None without one that a browser may follow."""
    url = recording.dashboards.get(alert, "")
    if not url.lower().startswith(("http://", "https://")):
        return None
    return f"{url}?from={math.floor(recording.started_at * 1000)}&to={math.ceil(recording.ended_at * 1000)}"


def printable(text: str) -> str:
    """Replace control characters, with which a foreign text could drive a terminal; lines stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
