"""What to do after a drill, derived from its verdicts: each that did not pass gives an action of its own."""

from __future__ import annotations

from collections.abc import Iterator

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report import words
from alertdrill.agent.report.drill import impact
from alertdrill.agent.verdict.verdict import Judgement, Link, Milestone, Verdict, VerdictOutcome

# From this share of its time on an alert that passed is told to be close.
_CLOSE = 0.8

BY_LINK = {
    Link.NO_RULE: "write the rule, or load its file: Prometheus served none of that name",
    Link.EVALUATION_FAILED: "mend its expression: Prometheus could not evaluate it",
    Link.SERIES_ABSENT: "bring its metric back, or correct the name in its expression, and add an alert on `absent(…)`",
    Link.NOTHING_MATCHES: "correct the label matchers of its expression: the metric is there, under other labels",
    Link.SERIES_STALE: "find out why its series ended, and alert on that as well (`up == 0`, `absent(…)`)",
    Link.NO_PAIR: "aggregate both sides of its expression by the same labels: no pair of series matched",
    Link.NEVER_CROSSED: "lower its threshold or shorten its range if this fault is one to be woken by, else drill it with a larger one",
    Link.NEVER_TRUE: "find out why its expression never was true: run its parts by hand for the time of the fault",
    Link.BROKEN_OFF: "shorten its `for`, or smooth the expression over a range: its condition did not hold without a break",
    Link.STILL_PENDING: "shorten its `for`, or let the fault last longer: it was still pending when the fault was healed",
    Link.NEVER_PENDING: "look into Prometheus: the condition held, and the alert did not become pending",
    Link.NOT_SENT: "check `alerting:` of prometheus.yml and the way to Alertmanager: the alert never arrived there",
    Link.SILENCED: "end the silence that held it back, or narrow its matchers",
    Link.INHIBITED: "narrow the inhibit_rules that held it back, or expect the alert that inhibits it instead",
    Link.MUTED: "check the time intervals of its route: it was muted",
    Link.ROUTED_ELSEWHERE: "give it a route to its receiver in alertmanager.yml: it went elsewhere",
    Link.STILL_WAITING: "shorten group_wait or group_interval of its route, or observe for longer: it was still waiting there",
    Link.NOT_DELIVERED: "mend the integration of its receiver: Alertmanager could not deliver it",
}
"""What to do about an alert, by the first broken link of its chain."""

BY_OUTCOME = {
    VerdictOutcome.LATE: "find out where the time went, and shorten the longest part: range, `for`, or the waits of its route",
    VerdictOutcome.EARLY: "find out what made it fire before its rule allows: another fault, or a rule changed meanwhile",
    VerdictOutcome.MISSED: "find out why it stayed silent",
    VerdictOutcome.WRONG_LABELS: "correct the labels of its rule, or those that the drill expects: routing depends on them",
    VerdictOutcome.NOT_NOTIFIED: "find out why its receiver was never told",
    VerdictOutcome.WRONG_RECEIVER: "correct the route of its labels in alertmanager.yml",
    VerdictOutcome.NOT_RESOLVED: "find out what held it active after the fault was healed, or observe for longer",
    VerdictOutcome.UNEXPECTED: "decide whether it belongs to this fault: then expect or allow it in the drill, else mend its rule",
    VerdictOutcome.INCONCLUSIVE: "remove what undermined the drill, and run it again: nothing is proven of it so far",
}
"""What to do about an alert of which no link is known to be broken."""


def of_monitoring(recording: Recording, judgement: Judgement) -> Iterator[str]:
    """Say what to do about alerts, rules and routes."""
    for verdict in judgement.verdicts:
        action = _action(verdict)
        if action is not None:
            # What made it inconclusive is a task of its own.
            why = "" if verdict.outcome is VerdictOutcome.INCONCLUSIVE else f": {verdict.reason}"
            yield f"{verdict.alert}: {action} ({words.outcome_words(verdict.outcome)}{why})."
        yield from (f"{verdict.alert}: {close}." for close in _close(recording, verdict, judgement.fault_at))
        if verdict.runbook is None and verdict.outcome is not VerdictOutcome.INCONCLUSIVE:
            yield f"{verdict.alert}: write a runbook, and link it by `runbook_url` in its rule."
        yield from (f"{verdict.alert}: look into this: {note}." for note in verdict.notes)
    for alert in judgement.allowed:
        yield f"{alert}: it fired too and the drill allows it; decide whether the drill should expect it."


def of_prevention(recording: Recording, judgement: Judgement) -> Iterator[str]:
    """Say what to do about the service, and about the drill itself."""
    lost = impact.not_succeeded(recording)
    if lost and recording.faults:
        broken = " and ".join(f"{fault.kind} on {fault.target}" for fault in recording.faults)
        reasons = ", ".join(sorted({one for load in impact.loads(recording).values() for one in load.reasons}))
        yield (
            f"Decide whether {lost:,} transactions that did not succeed are bearable under {broken}; if not, make the"
            f" service bear it{f' (they failed by: {reasons})' if reasons else ''}."
        )
    yield from (f"Mend the ledger, before anything else: {problem}." for problem in judgement.audit_problems)
    if judgement.undermined_by:
        yield f"Run the drill again without what undermined it: {'; '.join(judgement.undermined_by)}."
    if recording.drill.expect and not recording.faults and not recording.aborted:
        yield "Inject a fault: without one a drill proves only that nothing fires by itself."


def _action(verdict: Verdict) -> str | None:
    if verdict.outcome is VerdictOutcome.PASSED:
        return None
    if verdict.finding is not None and verdict.outcome is not VerdictOutcome.INCONCLUSIVE:
        return BY_LINK[verdict.finding.link]
    return BY_OUTCOME[verdict.outcome]


def _close(recording: Recording, verdict: Verdict, fault_at: float) -> Iterator[str]:
    """Name what was in time, but not by much: the drill's own budget, and the windows of what is sent."""
    if verdict.outcome is not VerdictOutcome.PASSED:
        return
    milestones = {milestone.name: milestone for milestone in verdict.milestones}
    budget = next((e.within.total_seconds() for e in recording.drill.expect if e.alert == verdict.alert), None)
    firing = milestones.get("firing")
    if firing is not None and firing.at is not None and budget and firing.at - fault_at >= _CLOSE * budget:
        yield (
            f"it fired {firing.at - fault_at:.1f} s after the fault, close to the {budget:g} s that the drill allows;"
            " shorten its range or `for`, or allow more"
        )
    notified = milestones.get("notified")
    if notified is not None and _used(notified) >= _CLOSE:
        yield (
            f"its receiver was told in the last fifth of the window ({words.window_words(notified.window, fault_at)} s);"
            " shorten group_interval of its route if that is too late"
        )


def _used(milestone: Milestone) -> float:
    """Tell which share of its window was over when a milestone came."""
    if milestone.at is None or milestone.window is None:
        return 0.0
    # A window of milliseconds leaves no choice.
    length = milestone.window.latest - milestone.window.earliest
    return (milestone.at - milestone.window.earliest) / length if length >= 1.0 else 0.0
