"""The lawful window of each milestone, computed from the rule as Prometheus serves it.

With E the group's interval, F the rule's `for`, K its `keep_firing_for`: an alert is pending from the
first evaluation that finds the condition true (A), fires at A + ceil(F/E)·E, and ends at the first
evaluation that finds it false, plus ceil(K/E)·E.
Source: rules/alerting.go of Prometheus.
When the condition became true is taken from the recorded expression, which was evaluated on the
rule's own grid; one evaluation is granted on top, for a tick that a busy server skips.
Alertmanager notifies a new group after `group_wait` and a known one within `group_interval`.
Source: dispatch/dispatch.go of Alertmanager.
"""

from __future__ import annotations

from agent.recording import Recording, RuleRecord
from agent.verdict.condition import split
from agent.verdict.routing import Route
from agent.verdict.timeline import on_the_grid
from agent.verdict.verdict import Window

# Instants in milliseconds, and a scheduler that is a few of them late.
_JITTER_SECONDS = 0.010
# From the rule engine through Alertmanager to our socket, beyond the waits that are configured.
_DELIVERY_SECONDS = 1.0


def pending_window(recording: Recording, rule: RuleRecord, fault_at: float, within_seconds: float) -> Window:
    """Tell when the alert may become pending: not before the fault, and as soon as its condition holds."""
    interval = rule.interval_seconds
    true_at = first_true(recording, rule, fault_at)
    if true_at is None:
        return Window(fault_at, fault_at + within_seconds, "from the fault to the end of the drill's own budget")
    text = f"condition first true {true_at - fault_at:.2f} s after the fault, + one evaluation of {interval:g} s"
    return Window(fault_at, true_at + interval + _JITTER_SECONDS, text)


def firing_window(rule: RuleRecord, pending_at: float) -> Window:
    """Tell when an alert that became pending at an instant must fire."""
    wait = on_the_grid(rule.for_seconds, rule.interval_seconds)
    due = pending_at + wait
    text = (
        f"pending + ceil(for {rule.for_seconds:g} s / interval {rule.interval_seconds:g} s) evaluations"
        f" = pending + {wait:g} s, + one evaluation"
    )
    return Window(due - _JITTER_SECONDS, due + rule.interval_seconds + _JITTER_SECONDS, text)


def notified_window(route: Route, firing_at: float) -> Window:
    """Tell when the receiver of a route must hear of an alert that fired at an instant."""
    wait, interval = route.group_wait.total_seconds(), route.group_interval.total_seconds()
    text = f"firing, + at most max(group_wait {wait:g} s, group_interval {interval:g} s) + {_DELIVERY_SECONDS:g} s"
    return Window(firing_at, firing_at + max(wait, interval) + _DELIVERY_SECONDS, text)


def resolved_window(recording: Recording, rule: RuleRecord, healed_at: float, firing_at: float) -> Window | None:
    """Tell when the alert must end after the fault was healed; None when its condition never ended."""
    interval, keep = rule.interval_seconds, on_the_grid(rule.keep_firing_for_seconds, rule.interval_seconds)
    false_at = first_false(recording, rule, max(healed_at, firing_at))
    if false_at is None:
        return None
    text = f"condition first false {false_at - healed_at:.2f} s after the undo, + keep_firing_for {keep:g} s, ± one evaluation"
    return Window(false_at + keep - interval - _JITTER_SECONDS, false_at + keep + interval + _JITTER_SECONDS, text)


def first_true(recording: Recording, rule: RuleRecord, since: float) -> float | None:
    """Find the first recorded instant from one on at which the rule's condition held."""
    return min((instant for instant, true in _truth(recording, rule) if true and instant >= since), default=None)


def first_false(recording: Recording, rule: RuleRecord, since: float) -> float | None:
    """Find the first recorded instant after one at which the condition held for no label set."""
    instants: dict[float, bool] = {}
    for instant, true in _truth(recording, rule):
        instants[instant] = instants.get(instant, False) or true
    return min((instant for instant, true in instants.items() if not true and instant > since), default=None)


def _truth(recording: Recording, rule: RuleRecord) -> list[tuple[float, bool]]:
    condition = split(rule.expr)
    if condition is None:
        return []
    return [
        (instant, condition.holds(value))
        for series in recording.values
        if series.alert == rule.alert
        for instant, value in series.samples
    ]
