"""Wrong engines: each differs from the right one in one place, and a good judge distinguishes them.

A mutant is not wrong in every case (one that ignores `for` is right if there is none): compare its Truth with the
right engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random

from simulator.alertmanager import Alertmanager, Notification, Routing
from simulator.group import Group
from simulator.rules import Alert, AlertingRule, State
from simulator.values import Labels, Millis


@dataclass(frozen=True)
class Engine:
    """The parts that evaluate a case: the state machine, and changes of the group, the route and the notifications."""

    name: str
    machine: type[AlertingRule] = AlertingRule
    alertmanager: type[Alertmanager] = Alertmanager
    group: Callable[[Group], Group] = lambda group: group
    routing: Callable[[Routing], Routing] = lambda routing: routing


class _FiresEarly(AlertingRule):
    def is_due(self, alert: Alert, at: Millis) -> bool:
        return at - alert.active_at >= self.rule.hold - self.interval


class _FiresLate(AlertingRule):
    def is_due(self, alert: Alert, at: Millis) -> bool:
        return at - alert.active_at >= self.rule.hold + self.interval


class _IgnoresFor(AlertingRule):
    def is_due(self, alert: Alert, at: Millis) -> bool:  # noqa: ARG002 (that is the mistake)
        return True


class _GreaterThan(AlertingRule):
    def is_due(self, alert: Alert, at: Millis) -> bool:
        return at - alert.active_at > self.rule.hold


class _ForgetsNoGap(AlertingRule):
    """Starts a pending alert at its earlier start, however long its series was absent."""

    def begin(self, labels: Labels, at: Millis) -> Alert:
        earlier = [alert for alert in self.history if alert.labels == labels and alert.fired_at is None]
        alert = super().begin(labels, at)
        if earlier:
            alert.active_at = earlier[-1].active_at
        return alert


class _LosesPending(AlertingRule):
    """Starts a pending alert again at one evaluation in four: random ones, but the same in every run."""

    def evaluate(self, at: Millis, found: Iterable[Labels]) -> list[Alert]:
        found = list(found)
        if Random(at).random() < 0.25:  # noqa: S311 (no secret)
            for labels in map(self.rule.alert_labels, found):
                if labels in self.active and self.active[labels].state is State.PENDING:
                    self.active[labels].active_at = at
        return super().evaluate(at, found)


class _IgnoresKeepFiring(AlertingRule):
    def keeps_firing(self, alert: Alert, at: Millis) -> bool:  # noqa: ARG002 (that is the mistake)
        return False


class _KeepsFiringTooLong(AlertingRule):
    def keeps_firing(self, alert: Alert, at: Millis) -> bool:
        if alert.keep_firing_since is None:
            alert.keep_firing_since = at
        # If there is nothing to keep, one evaluation; otherwise one more than the right number.
        return at - alert.keep_firing_since < self.rule.keep + self.interval


class _Forgets(Alertmanager):
    def deliver(self, notification: Notification) -> None:
        pass


def _off_grid(group: Group) -> Group:
    return replace(group, offset=(group.offset + max(1, group.interval // 3)) % group.interval)


RIGHT = Engine("right")

MUTANTS: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("fires-early", machine=_FiresEarly),
        Engine("fires-late", machine=_FiresLate),
        Engine("forgets-no-gap", machine=_ForgetsNoGap),
        Engine("loses-pending", machine=_LosesPending),
        Engine("ignores-keep-firing-for", machine=_IgnoresKeepFiring),
        Engine("keeps-firing-too-long", machine=_KeepsFiringTooLong),
        Engine("ignores-for", machine=_IgnoresFor),
        Engine("greater-than", machine=_GreaterThan),
        Engine("off-grid", group=_off_grid),
        Engine("before-group-wait", routing=lambda routing: replace(routing, group_wait=routing.group_wait // 2)),
        Engine("forgets-notification", alertmanager=_Forgets),
        Engine("twice-the-wait", routing=lambda routing: replace(routing, group_wait=2 * routing.group_wait)),
    )
}
