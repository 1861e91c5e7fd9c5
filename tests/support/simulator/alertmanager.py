"""From Prometheus' posts to the receiver: grouping, waiting, muting, and no repeated notifications.

Semantics: Alertmanager's dispatch/dispatch.go, notify/notify.go and provider/mem/mem.go, of one route with one receiver.
A post that arrives at the same millisecond as a flush is in it. A repetition is due strictly after `repeat_interval`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from simulator.group import Post
from simulator.rules import Sent
from simulator.values import NEVER, Labels, Millis, Stretches

CLEANUP_INTERVAL: Millis = 30_000


@dataclass(frozen=True)
class Mute:
    """A silence, or a simple inhibition: alerts with all these labels are muted while its source is active."""

    kind: Literal["silence", "inhibition"]
    when: Stretches
    matchers: Labels


@dataclass(frozen=True)
class Routing:
    """Alertmanager's configuration, and the delays before and after it.

    With `destroys_emptied`, as in 0.34, a group ends when it has sent its last alert.
    In 0.25 it lives until the next cleanup, at `k * 30 s + cleanup_phase`, and an alert that comes before that is sent at
    the group's next interval.
    `unreachable` is when posts are lost.
    """

    receiver: str = "pager"
    group_by: tuple[str, ...] = ("alertname",)
    group_wait: Millis = 30_000
    group_interval: Millis = 300_000
    repeat_interval: Millis = 14_400_000
    send_resolved: bool = True
    destroys_emptied: bool = False
    cleanup_phase: Millis = 0
    transit: Millis = 0
    delivery: Millis = 0
    mutes: tuple[Mute, ...] = ()
    unreachable: Stretches = NEVER


@dataclass(frozen=True)
class Told:
    """One alert in a notification; `ends_at` is None while it fires."""

    labels: Labels
    status: Literal["firing", "resolved"]
    starts_at: Millis
    ends_at: Millis | None


@dataclass(frozen=True)
class Notification:
    """One call of the receiver, at the instant of its arrival."""

    at: Millis
    receiver: str
    group_labels: Labels
    alerts: tuple[Told, ...]


@dataclass
class _Group:
    labels: Labels
    flush_at: Millis
    alerts: dict[Labels, Sent] = field(default_factory=dict)
    flushed: bool = False
    emptied_at: Millis | None = None


@dataclass(frozen=True)
class _Entry:
    """The last notification of a group."""

    at: Millis
    firing: frozenset[Labels]
    resolved: frozenset[Labels]


class Alertmanager:
    """One Alertmanager; `notifications` is what it sent."""

    def __init__(self, routing: Routing) -> None:
        self.routing = routing
        self.notifications: list[Notification] = []
        self._known: dict[Labels, Sent] = {}
        self._groups: dict[Labels, _Group] = {}
        self._log: dict[Labels, _Entry] = {}

    def run(self, posts: Iterable[Post], until: Millis) -> None:
        """Take all posts, in order, and return the notifications up to and including an instant."""
        for post in posts:
            at = post.sent_at + self.routing.transit
            if at > until or self.routing.unreachable.hold_at(at):
                continue
            self._flush_before(at)
            for alert in post.alerts:
                self._take(alert, at)
        self._flush_before(until + 1)

    def _take(self, alert: Sent, at: Millis) -> None:
        known = self._known.get(alert.labels)
        alert = _merge(known, alert, at) if known else alert
        self._known[alert.labels] = alert
        labels = tuple(pair for pair in alert.labels if pair[0] in self.routing.group_by)
        group = self._groups.get(labels)
        is_new = group is None or self._is_cleaned(group, at)
        if group is None or is_new:
            group = self._groups[labels] = _Group(labels, at + self.routing.group_wait)
        group.alerts[alert.labels] = alert
        group.emptied_at = None
        # 0.25 checks every alert until the first flush, 0.34 only the alert that makes the group.
        hurries = is_new or not (group.flushed or self.routing.destroys_emptied)
        if hurries and alert.starts_at + self.routing.group_wait < at:
            group.flush_at = at

    def _is_cleaned(self, group: _Group, at: Millis) -> bool:
        if group.emptied_at is None:
            return False
        since = group.emptied_at - self.routing.cleanup_phase
        return self.routing.destroys_emptied or since // CLEANUP_INTERVAL < (
            (at - self.routing.cleanup_phase) // CLEANUP_INTERVAL
        )

    def _flush_before(self, end: Millis) -> None:
        while due := [group for group in self._groups.values() if group.flush_at < end]:
            group = min(due, key=lambda group: (group.flush_at, group.labels))
            at, group.flushed = group.flush_at, True
            group.flush_at = at + self.routing.group_interval
            if group.alerts:
                self._flush(group, at)

    def _flush(self, group: _Group, at: Millis) -> None:
        alerts = [_told(alert, at) for _, alert in sorted(group.alerts.items())]
        heard = [alert for alert in alerts if not self._is_muted(alert, at)]
        if heard and self._needs_telling(group, heard, at):
            self._tell(group, heard, at)
        for alert in alerts:
            if alert.status == "resolved":
                del group.alerts[alert.labels]
        group.emptied_at = None if group.alerts else at

    def _is_muted(self, alert: Told, at: Millis) -> bool:
        return any(mute.when.hold_at(at) and set(mute.matchers) <= set(alert.labels) for mute in self.routing.mutes)

    def _needs_telling(self, group: _Group, alerts: list[Told], at: Millis) -> bool:
        entry, firing = self._log.get(group.labels), _labels(alerts, "firing")
        if entry is None:
            return bool(firing)
        if not firing <= entry.firing:
            return True
        if not firing:
            return bool(entry.firing)
        if self.routing.send_resolved and not _labels(alerts, "resolved") <= entry.resolved:
            return True
        return at - self.routing.repeat_interval > entry.at

    def _tell(self, group: _Group, alerts: list[Told], at: Millis) -> None:
        self._log[group.labels] = _Entry(at, _labels(alerts, "firing"), _labels(alerts, "resolved"))
        if not self.routing.send_resolved:
            alerts = [alert for alert in alerts if alert.status == "firing"]
        if alerts:
            self.deliver(Notification(at + self.routing.delivery, self.routing.receiver, group.labels, tuple(alerts)))

    def deliver(self, notification: Notification) -> None:
        """Call the receiver."""
        self.notifications.append(notification)


def _merge(known: Sent, alert: Sent, at: Millis) -> Sent:
    """Return one alert from two whose times overlap; otherwise the younger one."""
    ends_within = known.starts_at < alert.ends_at < known.ends_at
    starts_within = known.starts_at < alert.starts_at < known.ends_at
    if not (ends_within or starts_within):
        return alert
    later_end = max(known.ends_at, alert.ends_at)
    if alert.ends_at <= at and known.ends_at > at:
        later_end = alert.ends_at
    return Sent(alert.labels, min(known.starts_at, alert.starts_at), later_end)


def _told(alert: Sent, at: Millis) -> Told:
    if alert.ends_at <= at:
        return Told(alert.labels, "resolved", alert.starts_at, alert.ends_at)
    return Told(alert.labels, "firing", alert.starts_at, None)


def _labels(alerts: list[Told], status: str) -> frozenset[Labels]:
    return frozenset(alert.labels for alert in alerts if alert.status == status)
