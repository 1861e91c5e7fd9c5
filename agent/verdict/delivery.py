"""An alert on its way through Alertmanager: which alert it is there, its routes and its notifications.

On the way labels may be added (`external_labels`), then dropped or rewritten (`alert_relabel_configs`), and `ALERTS`
shows none of that. The instant at which the alert began to fire stays the same.
"""

from __future__ import annotations

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import NotificationRecord, SuppressionRecord
from alertdrill.agent.rules.routing import Route, receivers, routes
from alertdrill.agent.verdict.timeline import AlertTimeline, query_offset

SAME_INSTANT_SECONDS = 0.005
"""Prometheus sends the start of an alert in nanoseconds and stores its samples in milliseconds."""
# A notification that is received this much before the firing evaluation still belongs to it.
_CLOCK_TOLERANCE_SECONDS = 1.0


def fired_at(recording: Recording, timeline: AlertTimeline) -> float:
    """Return when an alert began to fire; its samples carry the instant of the data, earlier by the query offset."""
    return (timeline.firing_at or 0.0) + query_offset(recording, timeline.labels)


def is_same(recording: Recording, timeline: AlertTimeline, labels: dict[str, str], starts_at: float | None) -> bool:
    """Return whether an alert of Alertmanager, by its labels and its start, is the alert of a timeline.

    Of all alerts whose labels are all there, it is the one with the most labels. If there is none, it is one that
    began at the same instant. `starts_at` is None if Alertmanager did not send it.
    """
    owners = [
        one.labels
        for one in recording.alerts
        if one.labels.get("alertname") == labels.get("alertname") and one.labels.items() <= labels.items()
    ]
    if owners:
        return max(owners, key=len) == timeline.labels
    if timeline.labels.items() <= labels.items():
        return True
    return (
        starts_at is not None
        and labels.get("alertname") == timeline.labels.get("alertname")
        and abs(starts_at - fired_at(recording, timeline)) <= SAME_INSTANT_SECONDS
    )


def is_led(recording: Recording, notification: NotificationRecord) -> bool:
    """Return whether Alertmanager's own list or routes lead an alert to a receiver that was notified of it.

    A notification for another receiver does not come from this Alertmanager. It is True if neither list nor routes say
    anything, and for recordings of older versions, in which nobody checked who calls.
    """
    if recording.calls is None:
        return True
    server = recording.alertmanager
    # Alertmanager sends the labels that its list has. With other labels, it is at most an alert of the same start.
    held = [one for one in server.alerts if one.labels == notification.labels]
    held = held or [one for one in server.alerts if _is_begun_with(one, notification)]
    known = {name for one in held for name in one.receivers}
    for labels in [one.labels for one in held] or [notification.labels]:
        known |= receivers(server.config, labels) | receivers(server.config_at_end or server.config, labels)
    return not known or notification.receiver in known


def _is_begun_with(held: SuppressionRecord, notification: NotificationRecord) -> bool:
    return (
        held.labels.get("alertname") == notification.labels.get("alertname")
        and held.starts_at is not None
        and abs(held.starts_at - notification.starts_at) <= SAME_INSTANT_SECONDS
    )


def listings(recording: Recording, timeline: AlertTimeline) -> list[SuppressionRecord]:
    """Return the entries of an alert in Alertmanager's list."""
    return [one for one in recording.alertmanager.alerts if is_same(recording, timeline, one.labels, one.starts_at)]


def routed_labels(recording: Recording, timeline: AlertTimeline) -> dict[str, str]:
    """Return the labels by which Alertmanager routes an alert: those in its list or its calls, else its own."""
    listed = [one.labels for one in listings(recording, timeline)]
    received = (
        one.labels
        for one in recording.notifications
        if is_same(recording, timeline, one.labels, one.starts_at) and is_led(recording, one)
    )
    return next(iter(listed), None) or next(received, timeline.labels)


def notifications_of(recording: Recording, timeline: AlertTimeline, status: str = "firing") -> list[NotificationRecord]:
    """List the notifications that this alert fires (or is resolved), at any receiver that its routes lead to."""
    if timeline.firing_at is None:
        return []
    offset = query_offset(recording, timeline.labels)
    return [
        notification
        for notification in recording.notifications
        if notification.status == status
        and is_same(recording, timeline, notification.labels, notification.starts_at)
        and notification.received_at >= timeline.firing_at + offset - _CLOCK_TOLERANCE_SECONDS
        and (timeline.ended_at is None or notification.starts_at < timeline.ended_at + offset)
        and is_led(recording, notification)
    ]


def routes_of(recording: Recording, labels: dict[str, str]) -> list[Route]:
    """List the routes of an alert; none if the configuration is missing or cannot be followed."""
    try:
        return routes(recording.alertmanager.config, labels)
    except ValueError:
        return []


def routes_to(recording: Recording, timeline: AlertTimeline, receiver: str | None) -> list[Route]:
    """List the routes of an alert to a receiver; if None, to all that were notified."""
    names = {receiver} if receiver is not None else {one.receiver for one in notifications_of(recording, timeline)}
    every = routes_of(recording, routed_labels(recording, timeline))
    return [route for route in every if route.receiver in names]


def quickest_route(recording: Recording, timeline: AlertTimeline, receiver: str | None) -> Route | None:
    """Return the route to a receiver with the shortest `group_wait`."""
    return min(routes_to(recording, timeline, receiver), key=lambda route: route.group_wait, default=None)
