"""What to do after a drill, derived from its verdicts: each that did not pass gives an action of its own."""

from __future__ import annotations

from collections.abc import Iterator

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill import impact, wording
from alertdrill.agent.verdict.verdict import ChainLink, Judgement, Milestone, Verdict, VerdictOutcome

# An alert that passed after this share of its time is reported as close.
_CLOSE = 0.8

BY_LINK = {
    ChainLink.NO_RULE: "write the rule, or load its file: Prometheus served no rule of that name",
    ChainLink.EVALUATION_FAILED: "correct its expression: Prometheus could not evaluate it",
    ChainLink.SERIES_ABSENT: "restore its metric, or correct the name in its expression, and add an alert on `absent(…)`",
    ChainLink.NOTHING_MATCHES: "correct the label matchers of its expression: the metric is there, under other labels",
    ChainLink.SERIES_STALE: "find out why its series ended, and alert on that as well (`up == 0`, `absent(…)`)",
    ChainLink.NO_PAIR: "aggregate both sides of its expression by the same labels: no pair of series matched",
    ChainLink.NEVER_CROSSED: "lower its threshold or shorten its range if this fault should alert, or drill it with a larger fault",
    ChainLink.NEVER_TRUE: "find out why its expression was never true: query its parts for the time of the fault",
    ChainLink.BROKEN_OFF: "shorten its `for`, or smooth the expression over a range: its condition did not hold continuously",
    ChainLink.STILL_PENDING: "shorten its `for`, or let the fault last longer: it was still pending when the fault was healed",
    ChainLink.NEVER_PENDING: "examine Prometheus: the condition held, and the alert did not become pending",
    ChainLink.NOT_SENT: "check `alerting:` of prometheus.yml and the connection to Alertmanager: the alert never arrived there",
    ChainLink.SILENCED: "end the silence that suppressed it, or narrow its matchers",
    ChainLink.INHIBITED: "narrow the inhibit_rules that suppressed it, or expect the inhibiting alert instead",
    ChainLink.MUTED: "check the time intervals of its route: it was muted",
    ChainLink.ROUTED_ELSEWHERE: "route it to its receiver in alertmanager.yml: it went to another one",
    ChainLink.STILL_WAITING: "shorten group_wait or group_interval of its route, or observe for longer: it was still waiting there",
    ChainLink.NOT_CALLED: "give its receiver a webhook to this agent: Alertmanager notified it by another way",
    ChainLink.NOT_DELIVERED: "repair the integration of its receiver: Alertmanager could not deliver it",
}
"""What to do about an alert, by the first broken link of its chain."""

BY_OUTCOME = {
    VerdictOutcome.LATE: "find the longest part of the delay, and shorten it: range, `for`, or the waits of its route",
    VerdictOutcome.EARLY: "find out why it fired before its rule allows: another fault, or a rule changed meanwhile",
    VerdictOutcome.MISSED: "find out why it stayed silent",
    VerdictOutcome.WRONG_LABELS: "correct the labels of its rule, or those that the drill expects: routing depends on them",
    VerdictOutcome.NOT_NOTIFIED: "find out why its receiver was never notified",
    VerdictOutcome.WRONG_RECEIVER: "correct the route of its labels in alertmanager.yml",
    VerdictOutcome.NOT_RESOLVED: "find out what kept it active after the fault was undone, or observe for longer",
    VerdictOutcome.UNEXPECTED: "decide whether this fault should fire it: if so, expect or allow it in the drill; if not, correct its rule",
    VerdictOutcome.INCONCLUSIVE: "remove what undermined the drill, and run it again: nothing is proven about it yet",
}
"""What to do about an alert without a known broken link."""


def of_monitoring(recording: Recording, judgement: Judgement) -> Iterator[str]:
    """Yield what to do about alerts, rules and routes."""
    for verdict in judgement.verdicts:
        action = _action(verdict)
        if action is not None:
            # of_prevention names the cause of an inconclusive verdict.
            why = "" if verdict.outcome is VerdictOutcome.INCONCLUSIVE else f": {verdict.reason}"
            yield f"{verdict.alert}: {action} ({wording.outcome_words(verdict.outcome)}{why})."
        yield from (f"{verdict.alert}: {close}." for close in _close(recording, verdict, judgement.fault_at))
        if verdict.runbook is None and verdict.outcome is not VerdictOutcome.INCONCLUSIVE:
            yield f"{verdict.alert}: write a runbook, and link it by `runbook_url` in its rule."
        yield from (f"{verdict.alert}: check this: {note}." for note in verdict.notes)
    for alert in judgement.allowed:
        yield f"{alert}: it fired as well, which the drill allows; decide whether the drill should expect it."


def of_prevention(recording: Recording, judgement: Judgement) -> Iterator[str]:
    """Yield what to do about the service, and about the drill itself."""
    lost = impact.not_succeeded(recording)
    if lost and recording.faults:
        broken = " and ".join(f"{fault.kind} on {fault.target}" for fault in recording.faults)
        reasons = ", ".join(sorted({one for load in impact.loads(recording).values() for one in load.reasons}))
        yield (
            f"Decide whether {lost:,} transactions that did not succeed are acceptable under {broken}; if not, make the"
            f" service withstand it{f' (reasons: {reasons})' if reasons else ''}."
        )
    yield from (f"First of all, correct the payments: {problem}." for problem in judgement.audit_problems)
    if judgement.undermined_by:
        yield f"Remove what undermined the drill, and run it again: {'; '.join(judgement.undermined_by)}."
    if recording.drill.expect and not recording.faults and not recording.aborted:
        yield "Inject a fault: without one, a drill proves only that no alert fires without a cause."


def _action(verdict: Verdict) -> str | None:
    if verdict.outcome is VerdictOutcome.PASSED:
        return None
    is_known = verdict.outcome is not VerdictOutcome.INCONCLUSIVE
    if verdict.finding is not None and (is_known or verdict.finding.link is ChainLink.NOT_CALLED):
        return BY_LINK[verdict.finding.link]
    return BY_OUTCOME[verdict.outcome]


def _close(recording: Recording, verdict: Verdict, fault_at: float) -> Iterator[str]:
    """Yield what was only just in time, by the drill's own budget or by the window of the notification."""
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
    if notified is not None and _used_share(notified) >= _CLOSE:
        yield (
            f"its receiver was notified in the last fifth of the window ({wording.window_words(notified.window, fault_at)} s);"
            " shorten group_interval of its route if that is too late"
        )


def _used_share(milestone: Milestone) -> float:
    """Return the share of its window that had passed when a milestone was reached."""
    if milestone.at is None or milestone.window is None:
        return 0.0
    # In a window of milliseconds the share means nothing.
    length = milestone.window.latest - milestone.window.earliest
    return (milestone.at - milestone.window.earliest) / length if length >= 1.0 else 0.0
