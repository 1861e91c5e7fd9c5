"""The decision on one alert that fired: its milestones are checked in order, and the first one that fails decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.verdict.delivery import fired_at, notifications_of
from alertdrill.agent.verdict.diagnosis.undelivered import UndeliveredAlert, held_back, why_undelivered
from alertdrill.agent.verdict.fired import FiredAlert
from alertdrill.agent.verdict.flapping import as_flapping, as_note
from alertdrill.agent.verdict.verdict import ChainLink, Finding, Milestone, Verdict, VerdictOutcome
from alertdrill.agent.verdict.waterfall import longest


@dataclass(frozen=True)
class _Decision:
    outcome: VerdictOutcome
    reason: str
    finding: Finding | None = None
    outside: Milestone | None = None


def judge_fired(alert: FiredAlert, expected: Expectation, *, is_in_time: bool) -> Verdict:
    """Return the verdict on one alert; `is_in_time` says whether any alert of the expectation kept to its budget."""
    decision = next(one for one in _decisions(alert, expected, is_in_time=is_in_time) if one is not None)
    return Verdict(
        alert=expected.alert,
        labels=alert.timeline.labels,
        outcome=decision.outcome,
        reason=decision.reason,
        milestones=alert.milestones,
        receiver=expected.receiver,
        finding=decision.finding,
        spans=alert.spans,
        notes=() if decision.outcome is VerdictOutcome.INCONCLUSIVE else as_note(alert),
        outside=decision.outside,
    )


def _decisions(alert: FiredAlert, expected: Expectation, *, is_in_time: bool) -> Iterator[_Decision | None]:
    yield _outside(alert, alert.milestone("pending"))
    yield _outside(alert, alert.milestone("firing"))
    yield None if is_in_time else _late(alert, expected)
    yield _notified(alert, expected)
    yield _flapped(alert, expected)
    yield _resolved(alert, expected)
    yield _passed(expected)


def over_budget(alert: FiredAlert, expected: Expectation) -> str:
    """Return why an alert fired too late for the drill's `within`; empty if it did not."""
    budget = expected.within.total_seconds()
    took = fired_at(alert.recording, alert.timeline) - alert.fault_at
    if took <= budget:
        return ""
    return f"fired {took:.1f} s after the fault, the drill allows {budget:g} s: {longest(alert.spans)}"


def _late(alert: FiredAlert, expected: Expectation) -> _Decision:
    """Return that an alert was late, or that nobody can tell: a fault is in force somewhere in its injection."""
    in_force_at = min((one.in_force_at or one.injected_at for one in alert.recording.faults), default=alert.fault_at)
    took = fired_at(alert.recording, alert.timeline) - in_force_at
    reason = over_budget(alert, expected)
    if took > expected.within.total_seconds():
        return _Decision(VerdictOutcome.LATE, reason)
    slow = f"injecting the fault took {in_force_at - alert.fault_at:.1f} s, and the alert fired {took:.1f} s after that"
    return _Decision(VerdictOutcome.INCONCLUSIVE, f"{slow}: it cannot be told whether it was late ({reason})")


def _notified(alert: FiredAlert, expected: Expectation) -> _Decision | None:
    undelivered = UndeliveredAlert(alert.recording, alert.timeline, expected.receiver)
    if expected.receiver is not None and alert.notified_at is None:
        return _not_notified(alert, expected.receiver, why_undelivered(undelivered))
    decision = _outside(alert, alert.milestone("notified"))
    if decision is None or decision.outcome is not VerdictOutcome.LATE:
        return decision
    why = held_back(undelivered)
    return decision if why is None else _Decision(decision.outcome, f"{decision.reason}: {why.sentence}", why)


def _not_notified(alert: FiredAlert, receiver: str, finding: Finding) -> _Decision:
    if finding.link is ChainLink.NOT_CALLED:
        return _Decision(VerdictOutcome.INCONCLUSIVE, finding.sentence, finding)
    others = sorted({one.receiver for one in notifications_of(alert.recording, alert.timeline)})
    if others:
        reason = f"told {', '.join(others)}, expected {receiver}: {finding.sentence}"
        return _Decision(VerdictOutcome.WRONG_RECEIVER, reason, finding)
    return _Decision(VerdictOutcome.NOT_NOTIFIED, f"{receiver} was never told: {finding.sentence}", finding)


def _flapped(alert: FiredAlert, expected: Expectation) -> _Decision | None:
    reason = as_flapping(alert) if expected.resolves else ""
    return _Decision(VerdictOutcome.INCONCLUSIVE, reason) if reason else None


def _resolved(alert: FiredAlert, expected: Expectation) -> _Decision | None:
    if not expected.resolves:
        return None
    if alert.ended_at is None:
        return _Decision(VerdictOutcome.NOT_RESOLVED, _why_not_resolved(alert))
    return _outside(alert, alert.milestone("resolved"))


def _why_not_resolved(alert: FiredAlert) -> str:
    lawful = alert.resolved_window
    if lawful is None or lawful.latest > alert.recording.ended_at:
        return "still active at the end: its condition held, or its rule kept it firing, to the end of the record"
    over = f"{lawful.latest - alert.fault_at:+.1f} s from the fault"
    return f"still active at the end, although its condition was over {over}"


def _passed(expected: Expectation) -> _Decision:
    receiver = f", {expected.receiver} told" if expected.receiver else ""
    resolved = ", resolved" if expected.resolves else ""
    return _Decision(VerdictOutcome.PASSED, f"fired in its window{receiver}{resolved}")


def _outside(alert: FiredAlert, milestone: Milestone) -> _Decision | None:
    """Return the decision on a milestone outside its window; None if it came inside, or has nothing to compare."""
    if milestone.at is None or milestone.window is None or milestone.lawful:
        return None
    window = milestone.window
    outcome = VerdictOutcome.EARLY if milestone.at < window.earliest else VerdictOutcome.LATE
    lawful = f"{window.earliest - alert.fault_at:.2f} to {window.latest - alert.fault_at:.2f} s"
    came = f"{milestone.name} {milestone.at - alert.fault_at:.2f} s after the fault"
    return _Decision(outcome, f"{came}, lawful is {lawful} ({window.arithmetic})", outside=milestone)
