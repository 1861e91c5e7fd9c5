"""Why a receiver was not notified of an alert that fired: the first broken link of its way through Alertmanager.

Each link is a function that returns a Finding if it is broken, and None if it holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import DeliveryRecord, SilenceRecord, SuppressionRecord
from alertdrill.agent.rules.labels import listed, spell
from alertdrill.agent.rules.routing import Route, RouteMatcher, integrations, nearest_route, time_intervals
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


def _not_called(undelivered: UndeliveredAlert) -> Finding | None:
    """Find notifications that Alertmanager counts as sent, and that did not come to this agent."""
    recording, receiver = undelivered.recording, undelivered.receiver
    if receiver is None or (recording.calls is not None and receiver in recording.calls.callers):
        return None
    sent = {
        one.integration: one.sent - one.failed
        for one in recording.alertmanager.deliveries
        if one.sent > one.failed and _may_be_for(one.integration, undelivered)
    }
    received = len({(one.received_at, one.receiver) for one in recording.notifications})
    webhooks = sum(count for name, count in sent.items() if name.partition(" of ")[0] == "webhook")
    if not sent or (len(sent) == 1 and webhooks and webhooks <= received):
        return None
    counts = listed([f"{count} by {name}" for name, count in sorted(sent.items())])
    text = (
        f"fired, and Alertmanager counts notifications without a failure ({counts}), which did not come to this agent:"
        f" whether {receiver} was told cannot be seen without a webhook of it to …/api/v1/webhook/{quote(receiver, safe='')}"
    )
    return Finding(ChainLink.NOT_CALLED, text)


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
    text = f"fired, but its labels {spell(undelivered.labels)} lead to {listed(receivers)}{there}"
    return Finding(ChainLink.ROUTED_ELSEWHERE, f"{text}{_relabelled(undelivered)}{_near_miss(undelivered)}")


def _relabelled(undelivered: UndeliveredAlert) -> str:
    """Return which labels an alert lost or changed on its way to Alertmanager, as the end of a sentence."""
    sent, arrived = undelivered.timeline.labels, undelivered.labels
    changed = {name: value for name, value in sent.items() if arrived.get(name, "") != value}
    if not changed or not undelivered.listings:
        return ""
    words = [
        f"with {name}={json.dumps(arrived[name])} instead of {json.dumps(value)}"
        if arrived.get(name)
        else f"without {name}={json.dumps(value)}"
        for name, value in sorted(changed.items())
    ]
    return f"; Alertmanager has it {listed(words)}: alert_relabel_configs of Prometheus changed that"


def _near_miss(undelivered: UndeliveredAlert) -> str:
    """Return what an alert lacks for the route to its receiver, as the end of a sentence."""
    receiver, labels = undelivered.receiver, undelivered.labels
    near = nearest_route(undelivered.recording.alertmanager.config, labels, receiver or "")
    if near is None:
        return f"; no route leads to {receiver}" if undelivered.routes else ""
    if not near.missed:
        return f"; the route to {receiver} would match too, but an earlier one took it, without `continue: true`"
    return f"; the route to {receiver} needs {listed(_lack(one, labels) for one in near.missed)}"


def _lack(matcher: RouteMatcher, labels: dict[str, str]) -> str:
    actual = labels.get(matcher.name)
    has = f"{matcher.name} is {actual!r}" if actual else f"it has no label `{matcher.name}`"
    return f"{matcher}, and {has}{_hint(matcher, actual or '')}"


def _hint(matcher: RouteMatcher, actual: str) -> str:
    """Return why a value that looks as if it matched does not."""
    if matcher.op == "=" and _matches(replace(matcher, op="=~"), actual):
        return " (`match` and `=` compare literally, `match_re` and `=~` by a regular expression)"
    if matcher.op == "=~" and _matches(replace(matcher, value=f".*(?:{matcher.value}).*"), actual):
        return " (a regular expression must match the whole value)"
    if matcher.op == "=" and actual.lower() == matcher.value.lower() and actual:
        return " (upper and lower case differ)"
    return ""


def _matches(matcher: RouteMatcher, actual: str) -> bool:
    try:
        return bool(actual) and matcher.holds({matcher.name: actual})
    except ValueError:
        return False


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
        by = _muting(undelivered.recording.alertmanager.config, route, flushes(first, every, until))
        if by:
            return Finding(ChainLink.MUTED, f"fired, but its route to {route.receiver} was muted all the while, {by}")
    return None


def flushes(first: float, every: float, until: float) -> list[float]:
    """Return the instants of flushes, at least one for each minute with a flush: time intervals have whole minutes."""
    count, step = int(max(until - first, 0.0) / every) + 1, max(int(60.0 // every), 1)
    return [first + number * every for number in sorted({*range(0, count, step), count - 1})]


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
        if one.failed and _may_be_for(one.integration, undelivered)
    ]


def _may_be_for(integration: str, undelivered: UndeliveredAlert) -> bool:
    """Return whether a count of notifications may have those of a receiver in it."""
    receiver, (kind, _, name) = undelivered.receiver, integration.partition(" of ")
    if receiver is None:
        return True
    known = integrations(undelivered.recording.alertmanager.config, receiver)
    return name in {"", receiver} and (not known or kind in known)


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
    _not_called,
)
"""The links, in the order in which an alert passes them."""
