"""What happened in a drill, in order: phases, faults, alerts, and who was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.timeline import timelines


@dataclass(frozen=True)
class Event:
    """One thing that happened at an instant (Unix seconds)."""

    at: float
    text: str


def chronicle(recording: Recording) -> list[Event]:
    """List everything that happened by time; what happened several times at one instant is told once, with a count."""
    found = Counter(Event(round(event.at, 3), event.text) for event in _events(recording))
    told = [Event(one.at, f"{one.text} ({count} alerts)" if count > 1 else one.text) for one, count in found.items()]
    return sorted(told, key=lambda event: event.at)


def _events(recording: Recording) -> Iterator[Event]:
    yield Event(recording.started_at, "the load began")
    # Of one instant the cause is told first.
    for fault in recording.faults:
        if fault.load is not None:
            yield Event(fault.injected_at, f"surge began: {fault.target}")
            yield Event(fault.healed_at, f"surge ended: {fault.target}")
            continue
        yield Event(fault.injected_at, f"fault injected: {fault.kind} on {fault.target}")
        outcome = f", {fault.outcome}" if fault.outcome else ""
        yield Event(fault.healed_at, f"fault healed: {fault.kind} on {fault.target}{outcome}")
    for phase in recording.phases:
        yield Event(phase.started_at, f"{phase.phase} began")
    yield from _alerts(recording)
    for told in recording.notifications:
        alert = told.labels.get("alertname", "an alert without a name")
        yield Event(told.received_at, f"{told.receiver} told: {alert} {told.status}")
    for outage in recording.outages:
        yield Event(outage.first_at, f"{outage.server} could no longer be asked: {outage.reason}")
        yield Event(outage.last_at, f"{outage.server} could not be asked until here")
    yield from _restarts(recording)
    broken_off = f", broken off: {recording.aborted}" if recording.aborted else ""
    yield Event(recording.ended_at, f"the drill ended{broken_off}")


def _alerts(recording: Recording) -> Iterator[Event]:
    intervals = {rule.alert: rule.interval_seconds for rule in recording.rules}
    for alert in sorted({series.labels["alertname"] for series in recording.alerts}):
        for timeline in timelines(recording, alert, intervals.get(alert) or 60.0):
            yield Event(timeline.pending_at, f"{alert} pending")
            if timeline.firing_at is not None:
                yield Event(timeline.firing_at, f"{alert} firing")
            if timeline.ended_at is not None:
                ended = "resolved" if timeline.firing_at is not None else "no longer pending"
                yield Event(timeline.ended_at, f"{alert} {ended}")


def _restarts(recording: Recording) -> Iterator[Event]:
    servers = {"Prometheus": recording.prometheus.started_at, "Alertmanager": recording.alertmanager.started_at}
    for server, starts in servers.items():
        yield from (Event(at, f"{server} started") for at in starts if at > recording.started_at)
