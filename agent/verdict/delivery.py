"""From firing to a receiver: Alertmanager's waits.

A new group of alerts is notified after `group_wait`, a known one at its next `group_interval`; the n-th peer of a
cluster waits n times 15 seconds longer. A group whose alerts are all over stays known for a while.
Source: dispatch/dispatch.go and cluster/cluster.go of Alertmanager, resolvedRetention in rules/alerting.go of Prometheus.
"""

from __future__ import annotations

import math
from dataclasses import replace

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import NotificationRecord, SuppressionRecord
from alertdrill.agent.rules.routing import Route, routes
from alertdrill.agent.verdict.identity import SAME_INSTANT_SECONDS, fired_at, held, is_same, known_labels
from alertdrill.agent.verdict.timeline import AlertTimeline, query_offset
from alertdrill.agent.verdict.verdict import Window

_PEER_SECONDS = 15.0
# How long Alertmanager up to 0.33 may keep a group that has become empty.
_TIDYING_SECONDS = 30.0
_REPEATED_SECONDS = 900.0
# From the rule engine through Alertmanager to our socket, beyond the waits that are configured.
_DELIVERY_SECONDS = 1.0
_EARLY_SECONDS = 0.010


def heard(recording: Recording, timeline: AlertTimeline, status: str = "firing") -> list[NotificationRecord]:
    """List the notifications that tell of this alert firing (or resolved), at any receiver."""
    if timeline.firing_at is None:
        return []
    offset = query_offset(recording, timeline.labels)
    return [
        notification
        for notification in recording.notifications
        if notification.status == status
        and is_same(recording, timeline, notification.labels, notification.starts_at)
        and notification.received_at >= timeline.firing_at + offset - 1.0
        and (timeline.ended_at is None or notification.starts_at < timeline.ended_at + offset)
    ]


def ways(recording: Recording, labels: dict[str, str]) -> list[Route]:
    """List the routes of an alert; none where the configuration is not there, or cannot be followed."""
    try:
        return routes(recording.alertmanager.config, labels)
    except ValueError:
        return []


def ways_to(recording: Recording, timeline: AlertTimeline, receiver: str | None) -> list[Route]:
    """List the routes of an alert to a receiver; when None, to all that told us of it."""
    names = {receiver} if receiver is not None else {one.receiver for one in heard(recording, timeline)}
    return [way for way in ways(recording, known_labels(recording, timeline)) if way.receiver in names]


def way_to(recording: Recording, timeline: AlertTimeline, receiver: str | None) -> Route | None:
    """Find the quickest of an alert's routes to a receiver."""
    return min(ways_to(recording, timeline, receiver), key=lambda way: way.group_wait, default=None)


def first_window(
    recording: Recording, timeline: AlertTimeline, routes_: list[Route], query_offset: float
) -> Window | None:
    """Tell when a receiver that several routes may lead to must first hear of an alert that fired.

    None where there is no route, or where one is muted at times.
    """
    if not routes_ or any(route.time_intervals for route in routes_):
        return None
    windows = [notified_window(recording, timeline, route, query_offset) for route in routes_]
    surest = min(windows, key=lambda window: window.latest)
    return replace(surest, earliest=min(window.earliest for window in windows))


def notified_window(recording: Recording, timeline: AlertTimeline, route: Route, query_offset: float) -> Window:
    """Tell when the receiver of a route must hear of an alert that fired."""
    assert timeline.firing_at is not None  # noqa: S101 - only alerts that fired are told of
    clock = recording.prometheus
    # It fires by the server's clock, and is received by ours.
    sent_at, unsure = timeline.firing_at + query_offset - (clock.clock_ahead_seconds or 0.0), clock.clock_unsure_seconds
    soonest, latest = sent_at - unsure - _EARLY_SECONDS, sent_at + unsure + _DELIVERY_SECONDS
    wait, interval = route.group_wait.total_seconds(), route.group_interval.total_seconds()
    peers = (recording.alertmanager.peers - 1) * _PEER_SECONDS
    others = f", + up to {peers:g} s for {recording.alertmanager.peers} peers" if peers else ""
    if _is_fresh(recording, timeline, route):
        text = f"firing + group_wait {wait:g} s of a new group{others}, + {_DELIVERY_SECONDS:g} s to arrive"
        return Window(soonest + wait, latest + wait + peers, text)
    longest = max(wait, interval)
    text = f"firing, + at most max(group_wait {wait:g} s, group_interval {interval:g} s){others}, + {_DELIVERY_SECONDS:g} s"
    return Window(soonest, latest + longest + peers, text)


def known_for_seconds(route: Route) -> float:
    """Tell for how long after its last alert Alertmanager may know a group.

    Prometheus repeats for a quarter of an hour that an alert is over; each time the group lives until its next flush.
    """
    return _REPEATED_SECONDS + max(route.group_wait, route.group_interval).total_seconds() + _TIDYING_SECONDS


def _is_fresh(recording: Recording, timeline: AlertTimeline, route: Route) -> bool:
    """Tell whether Alertmanager certainly had no group for this alert yet: nothing of it fired for long enough."""
    assert timeline.firing_at is not None  # noqa: S101 - only alerts that fired are told of
    fired = fired_at(recording, timeline)
    # Its last sample is an evaluation older than its end.
    longest = max((rule.interval_seconds for rule in recording.rules), default=0.0)
    since = max(fired - known_for_seconds(route) - longest, _no_group_before(recording))
    if since < (recording.started_at if recording.earlier_since is None else recording.earlier_since):
        return False
    if any(route.group_of(one.labels) == _group(recording, timeline, route) for one in _older(recording, timeline)):
        return False
    mine = route.group_of(timeline.labels)
    return not any(
        series.state == "firing"
        and any(since <= at + query_offset(recording, series.labels) < fired - _EARLY_SECONDS for at in series.instants)
        and mine == route.group_of(series.labels)
        for series in (*recording.earlier, *recording.alerts)
    )


def _no_group_before(recording: Recording) -> float:
    """Tell the instant since when something must have fired for a lone Alertmanager to know its group.

    It keeps no groups over a restart, and Prometheus tells it anew of what fired or was over lately.
    """
    server = recording.alertmanager
    return min(server.started_at) - _REPEATED_SECONDS if server.started_at and server.peers == 1 else -math.inf


def _group(recording: Recording, timeline: AlertTimeline, route: Route) -> tuple[str, ...]:
    return route.group_of(known_labels(recording, timeline))


def _older(recording: Recording, timeline: AlertTimeline) -> list[SuppressionRecord]:
    """List what Alertmanager may have had, of whatever Prometheus, before an alert fired."""
    before = fired_at(recording, timeline) - SAME_INSTANT_SECONDS
    mine = held(recording, timeline)
    return [
        one
        for one in recording.alertmanager.alerts
        if one not in mine and (one.starts_at is None or one.starts_at < before)
    ]
