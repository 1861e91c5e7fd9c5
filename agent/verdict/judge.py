"""Recording in, verdicts out: the same recording gives the same verdicts, whenever it is judged."""

from __future__ import annotations

from dataclasses import replace

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.labels import has, may_be_of, spell
from alertdrill.agent.rules.timing import DEFAULT_INTERVAL_SECONDS
from alertdrill.agent.verdict.audit import audit_problems
from alertdrill.agent.verdict.conformance import breaches
from alertdrill.agent.verdict.delivery import heard
from alertdrill.agent.verdict.diagnosis.silence import no_rule, why_silent
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert
from alertdrill.agent.verdict.diagnosis.undelivered import UndeliveredAlert, held_back, why_untold
from alertdrill.agent.verdict.doubts import Doubt, doubts, notes
from alertdrill.agent.verdict.engine import Breach
from alertdrill.agent.verdict.evaluations import evaluations, watched
from alertdrill.agent.verdict.fired import FiredAlert, cases
from alertdrill.agent.verdict.identity import fired_at
from alertdrill.agent.verdict.runbook import runbook
from alertdrill.agent.verdict.timeline import AlertTimeline, timelines
from alertdrill.agent.verdict.verdict import Finding, Judgement, Link, Milestone, Verdict, VerdictOutcome
from alertdrill.agent.verdict.waterfall import longest


def judge(recording: Recording) -> Judgement:
    """Give one verdict for each expectation, and one for each alert that fired without being allowed to."""
    fault_at = _fault_at(recording)
    verdicts = [_judge_expectation(recording, expectation, fault_at) for expectation in recording.drill.expect]
    fired = _fired_besides(recording)
    verdicts += [_unexpected(recording, alert, fault_at) for alert in fired if alert not in recording.drill.allow]
    # Where nothing was expected and nothing fired, what undermines every verdict undermines the silence.
    undermining = [
        doubt
        for doubt in doubts(recording, fault_at)
        if (any(doubt.undermines(one) for one in verdicts) if verdicts else doubt.undermines_all)
    ]
    return Judgement(
        verdicts=tuple(
            replace(_doubted(verdict, undermining), runbook=runbook(recording, verdict.alert)) for verdict in verdicts
        ),
        undermined_by=tuple(doubt.text for doubt in undermining),
        allowed=tuple(alert for alert in fired if alert in recording.drill.allow),
        fault_at=fault_at,
        audit_problems=audit_problems(recording.audit),
    )


def _doubted(verdict: Verdict, found: list[Doubt]) -> Verdict:
    """Withdraw a verdict that something undermines."""
    reasons = [doubt.text for doubt in found if doubt.undermines(verdict)]
    return replace(verdict, outcome=VerdictOutcome.INCONCLUSIVE, reason="; ".join(reasons)) if reasons else verdict


def _fault_at(recording: Recording) -> float:
    if recording.faults:
        return min(fault.injected_at for fault in recording.faults)
    baseline = recording.phase("baseline")
    return baseline.ended_at if baseline else recording.started_at


def _healed_at(recording: Recording, fault_at: float) -> float:
    fault = recording.phase("fault")
    ended_at = fault.ended_at if fault else fault_at
    return max((one.healed_at for one in recording.faults), default=ended_at)


def _fired_besides(recording: Recording) -> list[str]:
    expected = {expectation.alert for expectation in recording.drill.expect}
    fired = {
        series.labels["alertname"]
        for series in recording.alerts
        if series.state == "firing" and any(instant >= recording.started_at for instant in series.instants)
    }
    return sorted(fired - expected)


def _unexpected(recording: Recording, alert: str, fault_at: float) -> Verdict:
    # A reload may have brought a rule that was not there when the drill began.
    interval = next(
        (rule.interval_seconds for rule in recording.rules if rule.alert == alert), DEFAULT_INTERVAL_SECONDS
    )
    timeline = next(t for t in timelines(recording, alert, interval) if t.firing_at is not None)
    assert timeline.firing_at is not None  # noqa: S101 - chosen so above
    milestones = (
        Milestone("pending", timeline.pending_at, None),
        Milestone("firing", timeline.firing_at, None),
        Milestone("resolved", timeline.ended_at, None),
    )
    reason = f"fired {timeline.firing_at - fault_at:.1f} s after the fault, and the drill does not allow it"
    return Verdict(alert, timeline.labels, VerdictOutcome.UNEXPECTED, reason, milestones)


def _judge_expectation(recording: Recording, expected: Expectation, fault_at: float) -> Verdict:
    rules = _rules_of(recording, expected)
    if not rules:
        return _silent(expected, no_rule(recording, expected.alert))
    verdict = _judge_rules(recording, expected, rules, fault_at)
    return replace(verdict, notes=notes(recording, rules))


def _judge_rules(recording: Recording, expected: Expectation, rules: list[RuleRecord], fault_at: float) -> Verdict:
    found = [(rule, one) for rule in rules for one in _timelines(recording, rule)]
    fired = [(rule, t) for rule, t in found if t.firing_at is not None and t.firing_at >= recording.started_at]
    if not fired:
        rule = next((rule for rule, _ in found), rules[0])
        pending = tuple(t for r, t in found if r is rule and t.pending_at >= recording.started_at)
        return _silent(expected, _why(recording, rule, pending, fault_at))
    matching = [(rule, t) for rule, t in fired if has(t.labels, expected.labels)]
    if not matching:
        labels = fired[0][1].labels
        reason = f"fired with the labels {spell(labels)}, expected {spell(expected.labels)}"
        return Verdict(expected.alert, labels, VerdictOutcome.WRONG_LABELS, reason, receiver=expected.receiver)
    healed_at = _healed_at(recording, fault_at)
    of_alert = cases(recording, expected, matching, (fault_at, healed_at))
    # The budget is for the alert to come at all: what fires in addition, or after its labels changed, may do so later.
    in_time = [one for one in of_alert if not _over_budget(one, expected)]
    verdict = _worst([_judge_fired(one, expected, is_in_time=bool(in_time)) for one in of_alert])
    if verdict.outcome is not VerdictOutcome.PASSED:
        return verdict
    for rule in {id(rule): rule for rule, _ in matching}.values():
        for breach in breaches(evaluations(recording, rule), rule, [t for r, t in found if r is rule]):
            outcome = VerdictOutcome.EARLY if breach.is_early else VerdictOutcome.LATE
            return replace(verdict, outcome=outcome, reason=_breach_words(breach, fault_at), finding=None)
    return verdict


def _rules_of(recording: Recording, expected: Expectation) -> list[RuleRecord]:
    """List the rules that may make the alert with its labels, or else those that make one of its name."""
    named = [rule for rule in recording.rules if rule.alert == expected.alert]
    labels = {"alertname": expected.alert} | expected.labels
    return [rule for rule in named if may_be_of(rule.labels | labels, rule)] or named


def _timelines(recording: Recording, rule: RuleRecord) -> list[AlertTimeline]:
    """List what a rule made, and what none of its name did."""
    others = [one for one in recording.rules if one.alert == rule.alert]
    return [
        one
        for one in timelines(recording, rule.alert, rule.interval_seconds)
        if may_be_of(one.labels, rule) or not any(may_be_of(one.labels, other) for other in others)
    ]


def _breach_words(breach: Breach, fault_at: float) -> str:
    lawful = " or ".join(sorted(breach.lawful))
    return f"{breach.observed} {breach.at - fault_at:.2f} s after the fault, where its rule makes it {lawful}"


def _worst(verdicts: list[Verdict]) -> Verdict:
    """Take the first that is not as expected: each label set is an alert of its own, and the first one fired first."""
    return next((verdict for verdict in verdicts if verdict.outcome is not VerdictOutcome.PASSED), verdicts[0])


def _silent(expected: Expectation, finding: Finding) -> Verdict:
    return Verdict(
        expected.alert,
        expected.labels,
        VerdictOutcome.MISSED,
        finding.sentence,
        receiver=expected.receiver,
        finding=finding,
    )


def _why(recording: Recording, rule: RuleRecord, pending: tuple[AlertTimeline, ...], fault_at: float) -> Finding:
    record = watched(recording, rule)
    if record is None:
        return Finding(Link.NEVER_TRUE, "it never fired, and its expression could not be evaluated afterwards")
    finding = why_silent(SilentAlert(recording, rule, record, pending, fault_at, _healed_at(recording, fault_at)))
    return finding if recording.faults else replace(finding, sentence=f"no fault was injected; {finding.sentence}")


def _judge_fired(case: FiredAlert, expected: Expectation, *, is_in_time: bool) -> Verdict:
    outcome, reason, finding = _decide(case, expected, is_in_time=is_in_time)
    return Verdict(
        alert=expected.alert,
        labels=case.timeline.labels,
        outcome=outcome,
        reason=reason,
        milestones=case.milestones,
        receiver=expected.receiver,
        finding=finding,
        spans=case.spans,
    )


def _decide(case: FiredAlert, expected: Expectation, *, is_in_time: bool) -> tuple[VerdictOutcome, str, Finding | None]:
    """Judge an alert that fired, in the order of its life: the first thing wrong is what is told."""
    by_name = {milestone.name: milestone for milestone in case.milestones}
    for name in ("pending", "firing"):
        if by_name[name].lawful is False:
            return *_outside(by_name[name], case), None
    if not is_in_time:
        return VerdictOutcome.LATE, _over_budget(case, expected), None
    told = _told(case, expected, by_name["notified"])
    if told is not None:
        return told
    resolved = by_name["resolved"]
    if expected.resolves and resolved.at is None:
        return VerdictOutcome.NOT_RESOLVED, _why_not_resolved(case), None
    if expected.resolves and resolved.lawful is False:
        return *_outside(resolved, case), None
    receiver = f", {expected.receiver} told" if expected.receiver else ""
    return VerdictOutcome.PASSED, f"fired in its window{receiver}" + (", resolved" if expected.resolves else ""), None


def _over_budget(case: FiredAlert, expected: Expectation) -> str:
    budget = expected.within.total_seconds()
    took = fired_at(case.recording, case.timeline) - case.fault_at
    if took <= budget:
        return ""
    return f"fired {took:.1f} s after the fault, the drill allows {budget:g} s: {longest(case.spans)}"


def _told(
    case: FiredAlert, expected: Expectation, notified: Milestone
) -> tuple[VerdictOutcome, str, Finding | None] | None:
    """Judge the delivery; None when the receiver was told in time, or when nobody has to be told."""
    untold = UndeliveredAlert(case.recording, case.timeline, expected.receiver, case.fault_at)
    if expected.receiver is not None and notified.at is None:
        finding = why_untold(untold)
        others = sorted({notification.receiver for notification in heard(case.recording, case.timeline)})
        if others:
            sentence = f"told {', '.join(others)}, expected {expected.receiver}: {finding.sentence}"
            return VerdictOutcome.WRONG_RECEIVER, sentence, finding
        return VerdictOutcome.NOT_NOTIFIED, f"{expected.receiver} was never told: {finding.sentence}", finding
    if notified.lawful is False:
        outcome, reason = _outside(notified, case)
        why = held_back(untold) if outcome is VerdictOutcome.LATE else None
        return outcome, reason + (f": {why.sentence}" if why is not None else ""), why
    return None


def _why_not_resolved(case: FiredAlert) -> str:
    lawful = case.resolved_window
    if lawful is None or lawful.latest > case.recording.ended_at:
        return "still active at the end: its condition held, or its rule kept it firing, to the end of the record"
    return f"still active at the end, although its condition was over {lawful.latest - case.fault_at:+.1f} s from the fault"


def _outside(milestone: Milestone, case: FiredAlert) -> tuple[VerdictOutcome, str]:
    assert milestone.window is not None  # noqa: S101 - asked for only where there is one
    assert milestone.at is not None  # noqa: S101 - as above
    early = milestone.at < milestone.window.earliest
    lawful = f"{milestone.window.earliest - case.fault_at:.2f} to {milestone.window.latest - case.fault_at:.2f} s"
    reason = (
        f"{milestone.name} {milestone.at - case.fault_at:.2f} s after the fault, lawful is {lawful}"
        f" ({milestone.window.arithmetic})"
    )
    return (VerdictOutcome.EARLY if early else VerdictOutcome.LATE), reason
