"""Why a receiver was not told of an alert that fired: the chain through Alertmanager, to its first broken link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import DeliveryRecord, SilenceRecord, SuppressionRecord
from alertdrill.agent.rules.labels import listed, spell
from alertdrill.agent.rules.routing import Route, time_intervals
from alertdrill.agent.rules.time_intervals import covers
from alertdrill.agent.verdict.delivery import heard, ways
from alertdrill.agent.verdict.identity import held, known_labels
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import Finding, Link


@dataclass(frozen=True)
class UndeliveredAlert:
    """An alert that fired, and the receiver that did not hear of it (None: any)."""

    recording: Recording
    timeline: AlertTimeline
    receiver: str | None
    fault_at: float

    @property
    def seen(self) -> list[SuppressionRecord]:
        """How Alertmanager listed the alert while it fired."""
        return held(self.recording, self.timeline)

    @property
    def ways(self) -> list[Route]:
        """Where its labels lead."""
        return ways(self.recording, known_labels(self.recording, self.timeline))

    def said(self, at: float) -> str:
        """Spell an instant."""
        return f"{at - self.fault_at:+.1f} s"


def held_back(untold: UndeliveredAlert) -> Finding | None:
    """Find what kept an alert quiet for a while, of which its receiver was told in the end."""
    found = (look(untold) for look in (_silenced, _inhibited, _muted))
    return next((finding for finding in found if finding is not None), None)


def why_untold(untold: UndeliveredAlert) -> Finding:
    """Walk the chain to the first broken link."""
    for look in CHAIN:
        finding = look(untold)
        if finding is not None:
            return finding
    who = untold.receiver or "no receiver"
    return Finding(Link.NOT_DELIVERED, f"fired, and {who} was never told although nothing held it back")


def _not_sent(untold: UndeliveredAlert) -> Finding | None:
    # Without a single look at Alertmanager's list nothing follows from the alert's absence there.
    if untold.seen or not untold.recording.alertmanager.looks:
        return None
    return Finding(
        Link.NOT_SENT,
        "fired, but Alertmanager never had it: look at Prometheus' `alerting` section, its alert_relabel_configs,"
        " and prometheus_notifications_errors_total",
    )


def _silenced(untold: UndeliveredAlert) -> Finding | None:
    by = sorted({silence_id for one in untold.seen for silence_id in one.silenced_by})
    if not by:
        return None
    silences = [one for one in untold.recording.alertmanager.silences if one.silence_id in by]
    return Finding(Link.SILENCED, "fired, but silenced by " + listed([_spell(one) for one in silences] or by))


def _spell(silence: SilenceRecord) -> str:
    comment = f": {silence.comment}" if silence.comment else ""
    return f"{silence.silence_id} of {silence.created_by or 'nobody'} ({', '.join(silence.matchers)}{comment})"


def _inhibited(untold: UndeliveredAlert) -> Finding | None:
    by = {fingerprint for one in untold.seen for fingerprint in one.inhibited_by}
    if not by:
        return None
    others = [one.labels for one in untold.recording.alertmanager.alerts if one.fingerprint in by]
    names = [f"{labels.get('alertname', 'an alert')}{spell(labels)}" for labels in others] or sorted(by)
    return Finding(Link.INHIBITED, f"fired, but inhibited by {listed(names)}")


def _routed_elsewhere(untold: UndeliveredAlert) -> Finding | None:
    receivers = sorted({way.receiver for way in untold.ways} | {name for one in untold.seen for name in one.receivers})
    if untold.receiver is None or untold.receiver in receivers or not receivers:
        return None
    told = sorted({one.receiver for one in heard(untold.recording, untold.timeline)})
    there = f" ({', '.join(told)} was told)" if told else ""
    labels = spell(known_labels(untold.recording, untold.timeline))
    return Finding(Link.ROUTED_ELSEWHERE, f"fired, but its labels {labels} lead to {listed(receivers)}{there}")


def _muted(untold: UndeliveredAlert) -> Finding | None:
    by = sorted({name for one in untold.seen for name in one.muted_by})
    return Finding(Link.MUTED, f"fired, but muted by the time interval {listed(by)}") if by else None


def _muted_then(untold: UndeliveredAlert) -> Finding | None:
    """Find that its route was muted whenever it would have been notified, which older servers do not tell."""
    since, until = untold.timeline.firing_at or 0.0, untold.timeline.ended_at or untold.recording.ended_at
    for way in untold.ways:
        if untold.receiver not in {None, way.receiver} or not way.time_intervals:
            continue
        first, every = since + way.group_wait.total_seconds(), max(way.group_interval.total_seconds(), 1.0)
        flushes = [first + number * every for number in range(int(max(until - first, 0.0) / every) + 1)]
        by = _muting(untold.recording.alertmanager.config, way, flushes)
        if by:
            return Finding(Link.MUTED, f"fired, but its route to {way.receiver} was muted all the while, {by}")
    return None


def _muting(config: str, way: Route, flushes: list[float]) -> str:
    """Say what muted a route at each of some instants; nothing where it was open at one, or nobody can tell."""
    try:
        known = time_intervals(config)
        inside = [
            {name for name in way.time_intervals if any(covers(one, at) for one in known[name])} for at in flushes
        ]
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""
    muted = [bool(names & {*way.muted_in}) or bool(way.active_in and not names & {*way.active_in}) for names in inside]
    if not all(muted):
        return ""
    by = sorted({name for names in inside for name in names & {*way.muted_in}})
    return f"by the time interval {listed(by)}" if by else f"outside of the time interval {listed(way.active_in)}"


def _maybe_muted(untold: UndeliveredAlert) -> Finding | None:
    """Suspect the time intervals of its routes, where Alertmanager did not tell of them."""
    names = sorted(
        {name for way in untold.ways if untold.receiver in {None, way.receiver} for name in way.time_intervals}
    )
    if not names:
        return None
    text = (
        f"fired, and its route to {untold.receiver} is muted at times, by {listed(names)}: that may have been so then"
    )
    return Finding(Link.MUTED, text)


def _not_delivered(untold: UndeliveredAlert) -> Finding | None:
    failed = _failed(untold)
    if not failed:
        return None
    counts = listed([f"{one.failed} of {one.sent} by {one.integration}" for one in failed])
    return Finding(
        Link.NOT_DELIVERED,
        f"fired, and Alertmanager sent it, but the receiver did not take it: notifications that failed: {counts}",
    )


def _failed(untold: UndeliveredAlert) -> list[DeliveryRecord]:
    """List what failed; older servers count all receivers of a kind together, newer ones may name each."""
    named = f" of {untold.receiver}"
    all_failed = [one for one in untold.recording.alertmanager.deliveries if one.failed]
    return [
        one
        for one in all_failed
        if untold.receiver is None or " of " not in one.integration or one.integration.endswith(named)
    ]


def _waits_for_group(untold: UndeliveredAlert) -> Finding | None:
    way, lasted, how = _lasted(untold)
    wait = way.group_wait.total_seconds() if way is not None else 0.0
    if lasted >= wait:
        return None
    text = f"fired, but {how} {lasted:.1f} s later, within the group_wait of {wait:g} s"
    return Finding(Link.STILL_WAITING, text)


def _waits_for_interval(untold: UndeliveredAlert) -> Finding | None:
    way, lasted, how = _lasted(untold)
    interval = way.group_interval.total_seconds() if way is not None else 0.0
    if lasted >= interval:
        return None
    text = (
        f"fired, but {how} {lasted:.1f} s later, and a group that is known waits up to {interval:g} s (group_interval)"
    )
    return Finding(Link.STILL_WAITING, text)


def _lasted(untold: UndeliveredAlert) -> tuple[Route | None, float, str]:
    """Tell the way to the receiver, how long the alert fired or was watched, and which of the two."""
    way = next((one for one in untold.ways if untold.receiver in {None, one.receiver}), None)
    since, ended_at = untold.timeline.firing_at or 0.0, untold.timeline.ended_at
    if ended_at is not None:
        return way, ended_at - since, "was over"
    return way, untold.recording.ended_at - since, "the record ends"


CHAIN: tuple[Callable[[UndeliveredAlert], Finding | None], ...] = (
    _not_sent,
    _silenced,
    _inhibited,
    _routed_elsewhere,
    _muted,
    _waits_for_group,
    _muted_then,
    _not_delivered,
    _maybe_muted,
    _waits_for_interval,
)
"""The links in the order in which an alert passes them."""
