"""When each alert was pending and firing, read from the samples of `ALERTS`.

Each sample is one evaluation with its exact instant, so nothing depends on when somebody looked.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from agent.recording import Recording


@dataclass(frozen=True)
class AlertTimeline:
    """One alert (one label set of one rule) that was active once, from pending to resolved.

    `pending_at` is its `activeAt`; `ended_at` is the first evaluation without it, None when it was
    still active at the last evaluation that was recorded.
    """

    labels: dict[str, str]
    pending_at: float
    firing_at: float | None
    ended_at: float | None


def timelines(recording: Recording, alert: str, interval_seconds: float) -> list[AlertTimeline]:
    """List every stretch in which an alert of a name was active, in order of time."""
    states: dict[tuple[tuple[str, str], ...], list[tuple[float, str]]] = defaultdict(list)
    for series in recording.alerts:
        if series.labels.get("alertname") == alert:
            states[tuple(sorted(series.labels.items()))] += [(instant, series.state) for instant in series.instants]
    found = []
    for labels, samples in states.items():
        found += [
            _timeline(dict(labels), stretch, interval_seconds, recording.ended_at)
            for stretch in _stretches(sorted(samples), interval_seconds)
        ]
    return sorted(found, key=lambda timeline: timeline.pending_at)


def _stretches(samples: list[tuple[float, str]], interval: float) -> list[list[tuple[float, str]]]:
    """Split samples where an evaluation is missing."""
    stretches: list[list[tuple[float, str]]] = []
    for sample in samples:
        if stretches and sample[0] - stretches[-1][-1][0] < 1.5 * interval:
            stretches[-1].append(sample)
        else:
            stretches.append([sample])
    return stretches


def _timeline(
    labels: dict[str, str], stretch: list[tuple[float, str]], interval: float, recorded_until: float
) -> AlertTimeline:
    firing = next((instant for instant, state in stretch if state == "firing"), None)
    after = stretch[-1][0] + interval
    ended = after if after < recorded_until - interval / 2 else None
    return AlertTimeline(labels, stretch[0][0], firing, ended)


def on_the_grid(duration_seconds: float, interval_seconds: float) -> float:
    """Round a duration up to whole evaluations: a rule engine acts at evaluations alone."""
    return math.ceil(round(duration_seconds / interval_seconds, 6)) * interval_seconds
