"""Why a receiver was not notified of an alert that fired: the first broken link of its way through Alertmanager.

Each link is a function that returns a Finding if it is broken, and None if it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import DeliveryRecord, SilenceRecord, SuppressionRecord
from alertdrill.agent.rules.labels import listed, spell
from alertdrill.agent.rules.routing import Route, time_intervals
from alertdrill.agent.rules.time_intervals import covers
from alertdrill.agent.verdict.delivery import listings, notifications_of, routed_labels, routes_of
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import ChainLink, Finding


@dataclass(frozen=True)
class UndeliveredAlert:
    """An alert that fired, and the receiver that was not notified of it (None: any)."""

    recording: Recording
    timeline: AlertTimeline
    receiver: str | None

    @property
    def listings(self) -> list[SuppressionRecord]:
        """Its entries in Alertmanager's list while it fired."""
        return listings(self.recording, self.timeline)

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which Alertmanager routes it."""
        return routed_labels(self.recording, self.timeline)

    @property
    def routes(self) -> list[Route]:
        """The routes that its labels lead to."""
        return routes_of(self.recording, self.labels)

    def is_for(self, receiver: str) -> bool:
        """Return whether it is about a receiver."""
        return self.receiver in {None, receiver}


def held_back(undelivered: UndeliveredAlert) -> Finding | None:
    """Return why an alert was held back for a while, if its receiver was notified in the end."""
    found = (link(undelivered) for link in (_silenced, _inhibited, _muted))
    return next((finding for finding in found if finding is not None), None)


def why_undelivered(undelivered: UndeliveredAlert) -> Finding:
    """Return the first broken link."""
    for link in CHAIN:
        finding = link(undelivered)
        if finding is not None:
            return finding
    who = undelivered.receiver or "no receiver"
    return Finding(ChainLink.NOT_DELIVERED, f"fired, and {who} was never told although nothing held it back")


def _not_sent(undelivered: UndeliveredAlert) -> Finding | None:
    # If Alertmanager's list was never read, the alert's absence there proves nothing.
    if undelivered.listings or not undelivered.recording.alertmanager.looks:
        return None
    return Finding(
        ChainLink.NOT_SENT,
        "fired, but Alertmanager never had it: look at Prometheus' `alerting` section, its alert_relabel_configs,"
        " and prometheus_notifications_errors_total",
    )


def _silenced(undelivered: UndeliveredAlert) -> Finding | None:
    by = sorted({silence_id for one in undelivered.listings for silence_id in one.silenced_by})
    if not by:
        return None
    silences = [one for one in undelivered.recording.alertmanager.silences if one.silence_id in by]
    return Finding(
        ChainLink.SILENCED, "fired, but silenced by " + listed([_silence_text(one) for one in silences] or by)
    )


def _silence_text(silence: SilenceRecord) -> str:
    comment = f": {silence.comment}" if silence.comment else ""
    return f"{silence.silence_id} of {silence.created_by or 'nobody'} ({', '.join(silence.matchers)}{comment})"


def _inhibited(undelivered: UndeliveredAlert) -> Finding | None:
    by = {fingerprint for one in undelivered.listings for fingerprint in one.inhibited_by}
    if not by:
        return None
    others = [one.labels for one in undelivered.recording.alertmanager.alerts if one.fingerprint in by]
    names = [f"{labels.get('alertname', 'an alert')}{spell(labels)}" for labels in others] or sorted(by)
    return Finding(ChainLink.INHIBITED, f"fired, but inhibited by {listed(names)}")


def _routed_elsewhere(undelivered: UndeliveredAlert) -> Finding | None:
    routed = {route.receiver for route in undelivered.routes}
    receivers = sorted(routed | {name for one in undelivered.listings for name in one.receivers})
    if undelivered.receiver is None or undelivered.receiver in receivers or not receivers:
        return None
    notified = sorted({one.receiver for one in notifications_of(undelivered.recording, undelivered.timeline)})
    there = f" ({', '.join(notified)} was told)" if notified else ""
    labels = spell(undelivered.labels)
    return Finding(ChainLink.ROUTED_ELSEWHERE, f"fired, but its labels {labels} lead to {listed(receivers)}{there}")


def _muted(undelivered: UndeliveredAlert) -> Finding | None:
    by = sorted({name for one in undelivered.listings for name in one.muted_by})
    return Finding(ChainLink.MUTED, f"fired, but muted by the time interval {listed(by)}") if by else None


def _route_muted(undelivered: UndeliveredAlert) -> Finding | None:
    """Find a route that was muted at every flush; older servers do not report that."""
    since, until = (
        undelivered.timeline.firing_at or 0.0,
        undelivered.timeline.ended_at or undelivered.recording.ended_at,
    )
    for route in undelivered.routes:
        if not undelivered.is_for(route.receiver) or not route.time_intervals:
            continue
        first, every = since + route.group_wait.total_seconds(), max(route.group_interval.total_seconds(), 1.0)
        flushes = [first + number * every for number in range(int(max(until - first, 0.0) / every) + 1)]
        by = _muting(undelivered.recording.alertmanager.config, route, flushes)
        if by:
            return Finding(ChainLink.MUTED, f"fired, but its route to {route.receiver} was muted all the while, {by}")
    return None


def _muting(config: str, route: Route, flushes: list[float]) -> str:
    """Return what muted a route at each of some instants; empty if it was open at one, or if that is unknown."""
    try:
        known = time_intervals(config)
        inside = [
            {name for name in route.time_intervals if any(covers(one, at) for one in known[name])} for at in flushes
        ]
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""
    muted = [
        bool(names & {*route.muted_in}) or bool(route.active_in and not names & {*route.active_in}) for names in inside
    ]
    if not all(muted):
        return ""
    by = sorted({name for names in inside for name in names & {*route.muted_in}})
    return f"by the time interval {listed(by)}" if by else f"outside of the time interval {listed(route.active_in)}"


def _route_muted_at_times(undelivered: UndeliveredAlert) -> Finding | None:
    """Suspect the time intervals of its routes, if Alertmanager did not report whether they muted it."""
    names = sorted(
        {n for route in undelivered.routes if undelivered.is_for(route.receiver) for n in route.time_intervals}
    )
    if not names:
        return None
    text = f"fired, and its route to {undelivered.receiver} is muted at times, by {listed(names)}: that may have been so then"
    return Finding(ChainLink.MUTED, text)


def _not_delivered(undelivered: UndeliveredAlert) -> Finding | None:
    failed = _failed(undelivered)
    if not failed:
        return None
    counts = listed([f"{one.failed} of {one.sent} by {one.integration}" for one in failed])
    return Finding(
        ChainLink.NOT_DELIVERED,
        f"fired, and Alertmanager sent it, but the receiver did not take it: notifications that failed: {counts}",
    )


def _failed(undelivered: UndeliveredAlert) -> list[DeliveryRecord]:
    """List failed deliveries; older servers count all receivers of a kind together, newer ones may name each."""
    return [
        one
        for one in undelivered.recording.alertmanager.deliveries
        if one.failed and _may_be_for(one.integration, undelivered.receiver)
    ]


def _may_be_for(integration: str, receiver: str | None) -> bool:
    return receiver is None or " of " not in integration or integration.endswith(f" of {receiver}")


def _waits_for_group(undelivered: UndeliveredAlert) -> Finding | None:
    route, lasted, how = _firing_seconds(undelivered)
    wait = route.group_wait.total_seconds() if route is not None else 0.0
    if lasted >= wait:
        return None
    text = f"fired, but {how} {lasted:.1f} s later, within the group_wait of {wait:g} s"
    return Finding(ChainLink.STILL_WAITING, text)


def _waits_for_interval(undelivered: UndeliveredAlert) -> Finding | None:
    route, lasted, how = _firing_seconds(undelivered)
    interval = route.group_interval.total_seconds() if route is not None else 0.0
    if lasted >= interval:
        return None
    text = (
        f"fired, but {how} {lasted:.1f} s later, and a group that is known waits up to {interval:g} s (group_interval)"
    )
    return Finding(ChainLink.STILL_WAITING, text)


def _firing_seconds(undelivered: UndeliveredAlert) -> tuple[Route | None, float, str]:
    """Return the route, and how long the alert fired: until it was over or until the recording ended."""
    route = next((one for one in undelivered.routes if undelivered.is_for(one.receiver)), None)
    since, ended_at = undelivered.timeline.firing_at or 0.0, undelivered.timeline.ended_at
    if ended_at is not None:
        return route, ended_at - since, "was over"
    return route, undelivered.recording.ended_at - since, "the record ends"


CHAIN: tuple[Callable[[UndeliveredAlert], Finding | None], ...] = (
    _not_sent,
    _silenced,
    _inhibited,
    _routed_elsewhere,
    _muted,
    _waits_for_group,
    _route_muted,
    _not_delivered,
    _route_muted_at_times,
    _waits_for_interval,
)
"""The links, in the order in which an alert passes them."""
