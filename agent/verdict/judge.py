"""The verdicts on a recording: one for each expectation, and one for each alert that was not allowed to fire.

Everything comes from the recording, so the same recording always gets the same verdicts. An expectation is judged in
this order: a rule makes the alert, it fired, its labels are right, each alert kept to its windows, and the rule engine
followed the rule at every evaluation. At the end a doubt about the drill makes verdicts inconclusive.
"""

from __future__ import annotations

from dataclasses import replace

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.labels import has, may_be_of, spell
from alertdrill.agent.rules.timing import DEFAULT_INTERVAL_SECONDS
from alertdrill.agent.verdict.audit import audit_problems
from alertdrill.agent.verdict.conformance import breaches
from alertdrill.agent.verdict.decision import judge_fired, over_budget
from alertdrill.agent.verdict.diagnosis.silence import no_rule, why_silent
from alertdrill.agent.verdict.doubts import doubts, late_notifications, notes
from alertdrill.agent.verdict.evaluations import rule_evaluations
from alertdrill.agent.verdict.fired import fired_alerts
from alertdrill.agent.verdict.runbook import runbook
from alertdrill.agent.verdict.timeline import AlertTimeline, timelines
from alertdrill.agent.verdict.verdict import Doubt, Finding, Judgement, Milestone, Verdict, VerdictOutcome

_Fault = tuple[float, float]
"""The start and the end of the fault, Unix seconds."""
_RuleTimeline = tuple[RuleRecord, AlertTimeline]


def judge(recording: Recording) -> Judgement:
    """Return the verdicts, with the doubts that make any of them inconclusive."""
    fault = _fault(recording)
    fired = _fired_besides(recording)
    verdicts = [_judge_expectation(recording, expectation, fault) for expectation in recording.drill.expect]
    verdicts += [_unexpected(recording, alert, fault[0]) for alert in fired if alert not in recording.allowed]
    found = [*doubts(recording, *fault), *late_notifications(recording, verdicts)]
    undermining = _undermining(found, verdicts)
    is_sure = all(verdict.outcome is not VerdictOutcome.INCONCLUSIVE for verdict in verdicts)
    return Judgement(
        verdicts=tuple(
            replace(_with_doubts(verdict, undermining), runbook=runbook(recording, verdict.alert))
            for verdict in verdicts
        ),
        undermined_by=tuple(dict.fromkeys(doubt.text for doubt in undermining)),
        allowed=tuple(alert for alert in fired if alert in recording.allowed),
        fault_at=fault[0],
        audit_problems=audit_problems(recording.audit),
        doubts_of_machine=is_sure and bool(undermining) and all(doubt.of_machine for doubt in undermining),
    )


def _fault(recording: Recording) -> _Fault:
    """Return the start and the end of all faults; without any, the ends of the phases."""
    baseline, phase = recording.phase("baseline"), recording.phase("fault")
    default = baseline.ended_at if baseline else recording.started_at
    started = min((fault.injected_at for fault in recording.faults), default=default)
    ended = max((fault.healed_at for fault in recording.faults), default=phase.ended_at if phase else started)
    return started, ended


def _fired_besides(recording: Recording) -> list[str]:
    """List the alerts that fired and are not expected."""
    expected = {expectation.alert for expectation in recording.drill.expect}
    fired = {
        series.labels["alertname"]
        for series in recording.alerts
        if series.state == "firing" and any(instant >= recording.started_at for instant in series.instants)
    }
    return sorted(fired - expected)


def _judge_expectation(recording: Recording, expected: Expectation, fault: _Fault) -> Verdict:
    rules = _rules_of(recording, expected)
    if not rules:
        return _missed(expected, no_rule(recording, expected.alert))
    verdict = _judge_rules(recording, expected, rules, fault)
    return replace(verdict, notes=(*verdict.notes, *notes(recording, rules)))


def _rules_of(recording: Recording, expected: Expectation) -> list[RuleRecord]:
    """List the rules that may make the alert with its labels, or else those that make one of its name."""
    named = [rule for rule in recording.rules if rule.alert == expected.alert]
    labels = {"alertname": expected.alert} | expected.labels
    return [rule for rule in named if may_be_of(rule.labels | labels, rule)] or named


def _judge_rules(recording: Recording, expected: Expectation, rules: list[RuleRecord], fault: _Fault) -> Verdict:
    active = [(rule, timeline) for rule in rules for timeline in _timelines(recording, rule)]
    fired = [(rule, t) for rule, t in active if t.firing_at is not None and t.firing_at >= recording.started_at]
    if not fired:
        return _missed(expected, _why_silent(recording, rules, active, fault))
    matching = [(rule, timeline) for rule, timeline in fired if has(timeline.labels, expected.labels)]
    if not matching:
        return _wrong_labels(expected, fired[0][1].labels)
    verdict = _judge_alerts(recording, expected, matching, fault)
    if verdict.outcome is not VerdictOutcome.PASSED:
        return verdict
    followed = list({id(rule): rule for rule, _ in matching}.values())
    return _judge_engine(recording, verdict, followed, active, fault[0])


def _timelines(recording: Recording, rule: RuleRecord) -> list[AlertTimeline]:
    """Return the alerts of a rule, and alerts of its name that no rule explains."""
    others = [one for one in recording.rules if one.alert == rule.alert]
    return [
        one
        for one in timelines(recording, rule.alert, rule.interval_seconds)
        if may_be_of(one.labels, rule) or not any(may_be_of(one.labels, other) for other in others)
    ]


def _missed(expected: Expectation, finding: Finding) -> Verdict:
    return Verdict(
        expected.alert,
        expected.labels,
        VerdictOutcome.MISSED,
        finding.sentence,
        receiver=expected.receiver,
        finding=finding,
    )


def _why_silent(recording: Recording, rules: list[RuleRecord], active: list[_RuleTimeline], fault: _Fault) -> Finding:
    """Explain the silence of the first rule that was active, or else of the first rule."""
    rule = next((rule for rule, _ in active), rules[0])
    pending = tuple(one for of, one in active if of is rule and one.pending_at >= recording.started_at)
    return why_silent(recording, rule, pending, fault)


def _wrong_labels(expected: Expectation, labels: dict[str, str]) -> Verdict:
    reason = f"fired with the labels {spell(labels)}, expected {spell(expected.labels)}"
    return Verdict(expected.alert, labels, VerdictOutcome.WRONG_LABELS, reason, receiver=expected.receiver)


def _judge_alerts(recording: Recording, expected: Expectation, matching: list[_RuleTimeline], fault: _Fault) -> Verdict:
    """Return the first verdict that is not as expected: each label set is an alert, and the first one fired first."""
    alerts = fired_alerts(recording, expected, matching, fault)
    # One alert must come within the budget. Others, and those whose labels changed, may come later.
    is_in_time = any(not over_budget(one, expected) for one in alerts)
    verdicts = [judge_fired(one, expected, is_in_time=is_in_time) for one in alerts]
    return next((one for one in verdicts if one.outcome is not VerdictOutcome.PASSED), verdicts[0])


def _judge_engine(
    recording: Recording, passed: Verdict, rules: list[RuleRecord], active: list[_RuleTimeline], fault_at: float
) -> Verdict:
    """Return the passed verdict, or another one if the rule engine did not follow one of the rules."""
    for rule in rules:
        found = breaches(rule_evaluations(recording, rule), rule, [one for of, one in active if of is rule])
        if found:
            lawful = " or ".join(sorted(found[0].lawful))
            at = f"{found[0].at - fault_at:.2f} s after the fault"
            reason = f"{found[0].observed} {at}, where its rule makes it {lawful}"
            outcome = VerdictOutcome.EARLY if found[0].is_early else VerdictOutcome.LATE
            return replace(passed, outcome=outcome, reason=reason, finding=None)
    return passed


def _unexpected(recording: Recording, alert: str, fault_at: float) -> Verdict:
    """Return the verdict on an alert that fired and was not allowed to."""
    # A reload may have added its rule after the drill began.
    intervals = (rule.interval_seconds for rule in recording.rules if rule.alert == alert)
    interval = next(intervals, DEFAULT_INTERVAL_SECONDS)
    timeline = next(one for one in timelines(recording, alert, interval) if one.firing_at is not None)
    assert timeline.firing_at is not None  # noqa: S101 - chosen so above
    milestones = (
        Milestone("pending", timeline.pending_at, None),
        Milestone("firing", timeline.firing_at, None),
        Milestone("resolved", timeline.ended_at, None),
    )
    reason = f"fired {timeline.firing_at - fault_at:.1f} s after the fault, and the drill does not allow it"
    return Verdict(alert, timeline.labels, VerdictOutcome.UNEXPECTED, reason, milestones)


def _undermining(found: list[Doubt], verdicts: list[Verdict]) -> list[Doubt]:
    """Keep the doubts that undermine at least one verdict; without verdicts, those that undermine all."""
    if not verdicts:
        return [doubt for doubt in found if doubt.undermines_all]
    return [doubt for doubt in found if any(doubt.undermines(one) for one in verdicts)]


def _with_doubts(verdict: Verdict, found: list[Doubt]) -> Verdict:
    """Return a verdict, or an inconclusive one if there are doubts about it."""
    reasons = [doubt.text for doubt in found if doubt.undermines(verdict)]
    return replace(verdict, outcome=VerdictOutcome.INCONCLUSIVE, reason="; ".join(reasons)) if reasons else verdict
