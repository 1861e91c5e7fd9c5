"""Recording in, verdicts out: the same recording gives the same verdicts, whenever it is judged."""

from __future__ import annotations

from agent.drill import Expectation
from agent.recording import NotificationRecord, Recording, RuleRecord
from agent.verdict import traffic, window
from agent.verdict.audit import audit_problems
from agent.verdict.condition import split
from agent.verdict.routing import routes
from agent.verdict.timeline import AlertTimeline, timelines
from agent.verdict.verdict import Judgement, Milestone, Outcome, Verdict

# Prometheus's own default.
_UNKNOWN_INTERVAL_SECONDS = 60.0


def judge(recording: Recording) -> Judgement:
    """Give one verdict for each expectation, and one for each alert that fired without being allowed to."""
    fault_at = _fault_at(recording)
    problems = _undermining(recording, fault_at)
    verdicts = [_judge_expectation(recording, expectation, fault_at) for expectation in recording.drill.expect]
    fired = _fired_besides(recording)
    verdicts += [_unexpected(recording, alert, fault_at) for alert in fired if alert not in recording.drill.allow]
    if problems:
        verdicts = [
            Verdict(v.alert, v.labels, Outcome.INCONCLUSIVE, "; ".join(problems), v.milestones, v.receiver)
            for v in verdicts
        ]
    allowed = tuple(alert for alert in fired if alert in recording.drill.allow)
    return Judgement(tuple(verdicts), tuple(problems), allowed, fault_at, audit_problems(recording.audit))


def _fault_at(recording: Recording) -> float:
    if recording.faults:
        return min(fault.injected_at for fault in recording.faults)
    baseline = recording.phase("baseline")
    return baseline.ended_at if baseline else recording.started_at


def _undermining(recording: Recording, fault_at: float) -> list[str]:
    problems = [f"the drill was broken off: {recording.aborted}"] if recording.aborted else []
    problems += [
        f"{outage.server} could not be asked for {outage.last_at - outage.first_at:.1f} s"
        f" from {outage.first_at - fault_at:+.1f} s on: {outage.reason}"
        for outage in recording.outages
    ]
    problems += traffic.load_problems(recording)
    problems += traffic.baseline_problems(recording)
    problems += _noise(recording, fault_at)
    # A load that is not as asked for, or a server that cannot be asked, says nothing about the fault.
    return problems or traffic.effect_problems(recording)


def _noise(recording: Recording, fault_at: float) -> list[str]:
    """Name the alerts under test that were active before anything was broken."""
    watched = {expectation.alert for expectation in recording.drill.expect}
    active = {
        series.labels["alertname"]
        for series in recording.alerts
        if series.labels["alertname"] in watched
        and any(recording.started_at <= instant < fault_at for instant in series.instants)
    }
    return [f"the baseline was not quiet: {alert} was active before the fault" for alert in sorted(active)]


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
        (rule.interval_seconds for rule in recording.rules if rule.alert == alert), _UNKNOWN_INTERVAL_SECONDS
    )
    timeline = next(t for t in timelines(recording, alert, interval) if t.firing_at is not None)
    assert timeline.firing_at is not None  # noqa: S101 - chosen so above
    milestones = (
        Milestone("pending", timeline.pending_at, None),
        Milestone("firing", timeline.firing_at, None),
        Milestone("resolved", timeline.ended_at, None),
    )
    reason = f"fired {timeline.firing_at - fault_at:.1f} s after the fault, and the drill does not allow it"
    return Verdict(alert, timeline.labels, Outcome.UNEXPECTED, reason, milestones)


def _judge_expectation(recording: Recording, expected: Expectation, fault_at: float) -> Verdict:
    rules = [rule for rule in recording.rules if rule.alert == expected.alert]
    if not rules:
        return Verdict(expected.alert, expected.labels, Outcome.MISSED, "no rule makes this alert")
    found = [(rule, timeline) for rule in rules for timeline in timelines(recording, rule.alert, rule.interval_seconds)]
    fired = [(rule, t) for rule, t in found if t.firing_at is not None and t.firing_at >= recording.started_at]
    if not fired:
        reason = _why_missed(recording, rules[0], [t for _, t in found], fault_at)
        return Verdict(expected.alert, expected.labels, Outcome.MISSED, reason, receiver=expected.receiver)
    matching = [(rule, t) for rule, t in fired if expected.labels.items() <= t.labels.items()]
    if not matching:
        labels = fired[0][1].labels
        reason = f"fired with the labels {_spell(labels)}, expected {_spell(expected.labels)}"
        return Verdict(expected.alert, labels, Outcome.WRONG_LABELS, reason, receiver=expected.receiver)
    rule, timeline = matching[0]
    return _judge_fired(recording, expected, rule, timeline, fault_at)


def _judge_fired(
    recording: Recording, expected: Expectation, rule: RuleRecord, timeline: AlertTimeline, fault_at: float
) -> Verdict:
    heard = _heard(recording, timeline)
    milestones = _milestones(recording, expected, rule, timeline, heard, fault_at)
    outcome, reason = _decide(expected, milestones, heard, fault_at)
    return Verdict(expected.alert, timeline.labels, outcome, reason, milestones, expected.receiver)


def _milestones(  # noqa: PLR0913, PLR0917 - one row for each instant, from all that is known
    recording: Recording,
    expected: Expectation,
    rule: RuleRecord,
    timeline: AlertTimeline,
    heard: list[NotificationRecord],
    fault_at: float,
) -> tuple[Milestone, ...]:
    assert timeline.firing_at is not None  # noqa: S101 - only alerts that fired come here
    healed_at = max((fault.healed_at for fault in recording.faults), default=fault_at)
    told = [n.received_at for n in heard if expected.receiver in {None, n.receiver}]
    way = [r for r in routes(recording.alertmanager_config, timeline.labels) if expected.receiver in {None, r.receiver}]
    within = expected.within.total_seconds()
    return (
        Milestone("pending", timeline.pending_at, window.pending_window(recording, rule, fault_at, within)),
        Milestone("firing", timeline.firing_at, window.firing_window(rule, timeline.pending_at)),
        Milestone(
            "notified",
            min(told, default=None),
            window.notified_window(way[0], timeline.firing_at) if way else None,
        ),
        Milestone(
            "resolved",
            timeline.ended_at,
            window.resolved_window(recording, rule, healed_at, timeline.firing_at),
        ),
    )


def _decide(
    expected: Expectation, milestones: tuple[Milestone, ...], heard: list[NotificationRecord], fault_at: float
) -> tuple[Outcome, str]:
    pending, firing, notified, resolved = milestones
    for milestone in (pending, firing, notified):
        if milestone.lawful is False and milestone.at is not None and milestone.window is not None:
            return _outside(milestone, milestone.at, fault_at)
    budget = expected.within.total_seconds()
    if firing.at is not None and firing.at - fault_at > budget:
        return Outcome.LATE, f"fired {firing.at - fault_at:.1f} s after the fault, the drill allows {budget:g} s"
    if expected.receiver is not None and notified.at is None:
        others = sorted({notification.receiver for notification in heard})
        if others:
            return Outcome.WRONG_RECEIVER, f"told {', '.join(others)}, expected {expected.receiver}"
        return Outcome.NOT_NOTIFIED, f"fired, but {expected.receiver} was never told"
    if expected.resolves and (resolved.at is None or resolved.lawful is False):
        why = "still active at the end" if resolved.at is None else _outside(resolved, resolved.at, fault_at)[1]
        return Outcome.NOT_RESOLVED, why
    told = f", {expected.receiver} told" if expected.receiver else ""
    return Outcome.PASSED, f"fired in its window{told}" + (", resolved" if expected.resolves else "")


def _outside(milestone: Milestone, at: float, fault_at: float) -> tuple[Outcome, str]:
    assert milestone.window is not None  # noqa: S101 - asked for only where there is one
    early = at < milestone.window.earliest
    lawful = f"{milestone.window.earliest - fault_at:.2f} to {milestone.window.latest - fault_at:.2f} s"
    reason = (
        f"{milestone.name} {at - fault_at:.2f} s after the fault, lawful is {lawful} ({milestone.window.arithmetic})"
    )
    return (Outcome.EARLY if early else Outcome.LATE), reason


def _heard(recording: Recording, timeline: AlertTimeline) -> list[NotificationRecord]:
    """List the notifications that tell of this alert firing, at any receiver."""
    return [
        notification
        for notification in recording.notifications
        if notification.status == "firing"
        and notification.labels.get("alertname") == timeline.labels.get("alertname")
        and timeline.labels.items() <= notification.labels.items()
        and timeline.firing_at is not None
        and notification.received_at >= timeline.firing_at - 1.0
    ]


def _why_missed(recording: Recording, rule: RuleRecord, pendings: list[AlertTimeline], fault_at: float) -> str:
    first = "" if recording.faults else "no fault was injected; "
    longest = max((_length(recording, timeline) for timeline in pendings), default=0.0)
    if longest:
        return f"{first}pending for {longest:.1f} s at the longest, its `for` is {rule.for_seconds:g} s"
    condition = split(rule.expr)
    if condition is None:
        return f"{first}its expression was never true"
    values = [
        value
        for series in recording.values
        if series.alert == rule.alert
        for instant, value in series.samples
        if instant >= fault_at
    ]
    numbers = [value for value in values if value == value]  # noqa: PLR0124 - NaN alone differs from itself
    if not numbers:
        return f"{first}its expression had no value: the series are absent, or nothing was counted in them"
    true_at = window.first_true(recording, rule, fault_at)
    if true_at is not None:
        value = next(v for s in recording.values if s.alert == rule.alert for t, v in s.samples if t == true_at)
        crossed = f"{value:.4g} {condition.comparison} {condition.threshold:g}"
        return (
            f"{first}true {true_at - fault_at:.1f} s after the fault ({crossed}), but Prometheus never made it pending"
        )
    best = min(numbers) if condition.comparison in {"<", "<="} else max(numbers)
    word = "smallest" if condition.comparison in {"<", "<="} else "largest"
    return f"{first}never crossed: {word} value {best:.4g}, fires at {condition.comparison} {condition.threshold:g}"


def _length(recording: Recording, timeline: AlertTimeline) -> float:
    return (timeline.ended_at or recording.ended_at) - timeline.pending_at


def _spell(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"
