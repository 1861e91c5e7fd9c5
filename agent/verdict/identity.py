"""Which alert of Alertmanager is which of Prometheus.

On the way there labels may be added (`external_labels`) and then dropped or rewritten (`alert_relabel_configs`), and
none of that shows in `ALERTS`. The instant at which it began to fire goes along unchanged.
"""

from __future__ import annotations

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import SuppressionRecord
from alertdrill.agent.verdict.timeline import AlertTimeline, query_offset

# Prometheus tells when an alert began in nanoseconds, its samples in milliseconds.
SAME_INSTANT_SECONDS = 0.005


def is_same(recording: Recording, timeline: AlertTimeline, labels: dict[str, str], starts_at: float | None) -> bool:
    """Tell whether what Alertmanager knows by some labels is the alert of a timeline.

    It is the one with the most labels of those whose labels are all there; where none's are, one that began at the
    same instant. `starts_at` is None where it was not told.
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


def fired_at(recording: Recording, timeline: AlertTimeline) -> float:
    """Tell when an alert began to fire; its samples bear the instant of the data, which a query offset sets back."""
    return (timeline.firing_at or 0.0) + query_offset(recording, timeline.labels)


def held(recording: Recording, timeline: AlertTimeline) -> list[SuppressionRecord]:
    """List how Alertmanager listed an alert."""
    return [one for one in recording.alertmanager.alerts if is_same(recording, timeline, one.labels, one.starts_at)]


def known_labels(recording: Recording, timeline: AlertTimeline) -> dict[str, str]:
    """Tell by which labels Alertmanager routes an alert: those that it has it by, or else its own."""
    listed = [one.labels for one in held(recording, timeline)]
    told = (one.labels for one in recording.notifications if is_same(recording, timeline, one.labels, one.starts_at))
    return next(iter(listed), None) or next(told, timeline.labels)
