"""One alerting rule and the states of its alerts: Prometheus' rules/alerting.go, the same in 2.42 and 3.x."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from simulator.promql import Condition
from simulator.values import NAME, Labels, Millis, labels_of, merged, without

RESOLVED_RETENTION: Millis = 15 * 60_000


class State(Enum):
    """The state of an alert; an inactive one fired, and is kept to be sent as resolved."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True)
class Rule:
    """An alerting rule: `hold` is its `for`, `keep` its `keep_firing_for`."""

    alert: str
    expression: Condition
    hold: Millis = 0
    keep: Millis = 0
    labels: Labels = ()

    def alert_labels(self, found: Labels) -> Labels:
        """The labels of the alert that a series of the expression's result makes."""
        return merged(merged(without(found, NAME), self.labels), labels_of(alertname=self.alert))


@dataclass
class Alert:
    """One alert, from the evaluation that made it; `gone_at` is the evaluation at which it was not active any more."""

    labels: Labels
    active_at: Millis
    state: State = State.PENDING
    fired_at: Millis | None = None
    resolved_at: Millis | None = None
    gone_at: Millis | None = None
    keep_firing_since: Millis | None = None
    last_sent_at: Millis | None = None


@dataclass(frozen=True)
class Sent:
    """An alert as Prometheus posts it to Alertmanager."""

    labels: Labels
    starts_at: Millis
    ends_at: Millis


class AlertingRule:
    """The state machine; `history` has every alert."""

    def __init__(self, rule: Rule, interval: Millis) -> None:
        self.rule = rule
        self.interval = interval
        self.active: dict[Labels, Alert] = {}
        self.history: list[Alert] = []

    def evaluate(self, at: Millis, found: Iterable[Labels]) -> list[Alert]:
        """Advance by one evaluation that found these series; return the alerts that are pending or firing now."""
        holding = {self.rule.alert_labels(labels) for labels in found}
        for labels in sorted(holding):
            known = self.active.get(labels)
            if known is None or known.state is State.INACTIVE:
                self.active[labels] = self.begin(labels, at)
        shown = []
        for labels, alert in list(self.active.items()):
            if labels in holding:
                alert.keep_firing_since = None
            elif not self._outlives_absence(alert, at):
                continue
            if alert.state is State.PENDING and self.is_due(alert, at):
                alert.state, alert.fired_at = State.FIRING, at
            shown.append(alert)
        return shown

    def begin(self, labels: Labels, at: Millis) -> Alert:
        """Make the alert of a series that was not there before."""
        self.history.append(Alert(labels, active_at=at))
        return self.history[-1]

    def is_due(self, alert: Alert, at: Millis) -> bool:
        """Return whether a pending alert has held for long enough."""
        return at - alert.active_at >= self.rule.hold

    def keeps_firing(self, alert: Alert, at: Millis) -> bool:
        """Return whether a firing alert stays although its series is absent."""
        if self.rule.keep == 0:
            return False
        if alert.keep_firing_since is None:
            alert.keep_firing_since = at
        return at - alert.keep_firing_since < self.rule.keep

    def _outlives_absence(self, alert: Alert, at: Millis) -> bool:
        keeps = alert.state is State.FIRING and self.keeps_firing(alert, at)
        forgotten = alert.resolved_at is not None and at - alert.resolved_at > RESOLVED_RETENTION
        if alert.state is State.PENDING or forgotten:
            del self.active[alert.labels]
        if alert.state is not State.INACTIVE and not keeps:
            if alert.state is State.FIRING:
                alert.resolved_at = at
            alert.state, alert.gone_at = State.INACTIVE, at
        return keeps

    def to_send(self, at: Millis, resend_delay: Millis) -> list[Sent]:
        """Return the posts to Alertmanager after an evaluation."""
        posted = []
        for alert in self.active.values():
            if alert.fired_at is None or not _needs_sending(alert, at, resend_delay):
                continue
            alert.last_sent_at = at
            valid_until = at + 4 * max(self.interval, resend_delay)
            ends_at = valid_until if alert.resolved_at is None else alert.resolved_at
            posted.append(Sent(alert.labels, alert.fired_at, ends_at))
        return posted


def _needs_sending(alert: Alert, at: Millis, resend_delay: Millis) -> bool:
    if alert.last_sent_at is None:
        return True
    if alert.resolved_at is not None and alert.resolved_at > alert.last_sent_at:
        return True
    return alert.last_sent_at + resend_delay < at
