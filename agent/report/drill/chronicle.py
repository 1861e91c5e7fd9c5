"""The events of a drill in order: phases, faults, alerts, notifications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.delivery import is_led
from alertdrill.agent.verdict.timeline import timelines


@dataclass(frozen=True)
class ChronicleEvent:
    """One event at an instant (Unix seconds)."""

    at: float
    text: str


def chronicle(recording: Recording) -> list[ChronicleEvent]:
    """List all events by time; equal events at one instant are listed once, with a count."""
    found = Counter(ChronicleEvent(round(event.at, 3), event.text) for event in _events(recording))
    events = [
        ChronicleEvent(one.at, f"{one.text} ({count} alerts)" if count > 1 else one.text)
        for one, count in found.items()
    ]
    return sorted(events, key=lambda event: event.at)


def _events(recording: Recording) -> Iterator[ChronicleEvent]:
    yield ChronicleEvent(recording.started_at, "the load began")
    # Events at one instant keep this order: the cause first.
    for fault in recording.faults:
        if fault.load is not None:
            yield ChronicleEvent(fault.injected_at, f"surge began: {fault.target}")
            yield ChronicleEvent(fault.healed_at, f"surge ended: {fault.target}")
            continue
        yield ChronicleEvent(fault.injected_at, f"fault injected: {fault.kind} on {fault.target}")
        outcome = f", {fault.outcome}" if fault.outcome else ""
        yield ChronicleEvent(fault.healed_at, f"fault undone: {fault.kind} on {fault.target}{outcome}")
    for phase in recording.phases:
        yield ChronicleEvent(phase.started_at, f"{phase.phase} began")
    yield from _alerts(recording)
    for one in recording.notifications:
        alert = one.labels.get("alertname", "an alert without a name")
        uncounted = "" if is_led(recording, one) else ", which is not counted: Alertmanager's routes do not lead there"
        yield ChronicleEvent(one.received_at, f"{one.receiver} notified: {alert} {one.status}{uncounted}")
    for outage in recording.outages:
        yield ChronicleEvent(outage.first_at, f"{outage.server} stopped answering: {outage.reason}")
        yield ChronicleEvent(outage.last_at, f"{outage.server} had not answered until here")
    yield from _restarts(recording)
    aborted = f", aborted: {recording.aborted}" if recording.aborted else ""
    yield ChronicleEvent(recording.ended_at, f"the drill ended{aborted}")


def _alerts(recording: Recording) -> Iterator[ChronicleEvent]:
    intervals = {rule.alert: rule.interval_seconds for rule in recording.rules}
    for alert in sorted({series.labels["alertname"] for series in recording.alerts}):
        for timeline in timelines(recording, alert, intervals.get(alert) or 60.0):
            yield ChronicleEvent(timeline.pending_at, f"{alert} pending")
            if timeline.firing_at is not None:
                yield ChronicleEvent(timeline.firing_at, f"{alert} firing")
            if timeline.ended_at is not None:
                ended = "resolved" if timeline.firing_at is not None else "no longer pending"
                yield ChronicleEvent(timeline.ended_at, f"{alert} {ended}")


def _restarts(recording: Recording) -> Iterator[ChronicleEvent]:
    servers = {"Prometheus": recording.prometheus.started_at, "Alertmanager": recording.alertmanager.started_at}
    for server, starts in servers.items():
        yield from (ChronicleEvent(at, f"{server} started") for at in starts if at > recording.started_at)
