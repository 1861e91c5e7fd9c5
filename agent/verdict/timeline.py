"""When each alert was pending and firing, read from the samples of `ALERTS`.

Each sample is one evaluation with its exact instant, so the result does not depend on when Prometheus was asked.
Every label set of a rule is an alert of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.engine import Status
from alertdrill.agent.verdict.evaluations import WRITTEN_WITHIN_SECONDS

_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """One evaluation at which an alert was active; `since` is its activeAt in whole seconds, None if not recorded."""

    at: float
    state: Status
    since: int | None


@dataclass(frozen=True)
class AlertTimeline:
    """One alert (one label set of one rule) that was active once, from pending to resolved.

    `pending_at` is its activeAt. `ended_at` is the first evaluation without it, None if it was still active at the
    last recorded evaluation.
    """

    labels: dict[str, str]
    pending_at: float
    firing_at: float | None
    ended_at: float | None
    samples: tuple[Sample, ...] = ()


def query_offset(recording: Recording, labels: dict[str, str]) -> float:
    """Return how many seconds after the instant of its data an alert was evaluated; 0 if that was not recorded."""
    alert = labels.get("alertname")
    return next((one.query_offset_seconds for one in recording.watched if one.alert == alert), 0.0)


def timelines(recording: Recording, alert: str, interval_seconds: float) -> list[AlertTimeline]:
    """List every stretch of time in which an alert of a name was active, in order of time."""
    looks_back = query_offset(recording, {"alertname": alert})
    found = [
        _timeline(dict(labels), stretch, interval_seconds, recording.ended_at - looks_back)
        for labels, samples in _by_labels(recording, alert).items()
        for stretch in _stretches(sorted(samples, key=lambda sample: sample.at), interval_seconds)
    ]
    return sorted(found, key=lambda timeline: timeline.pending_at)


def _by_labels(recording: Recording, alert: str) -> dict[_Labels, list[Sample]]:
    samples: dict[_Labels, list[Sample]] = defaultdict(list)
    for series in recording.alerts:
        if series.labels.get("alertname") == alert:
            since: Sequence[int | None] = series.since or [None] * len(series.instants)
            key = tuple(sorted(series.labels.items()))
            samples[key] += [Sample(at, series.state, s) for at, s in zip(series.instants, since, strict=True)]
    return samples


def _stretches(samples: list[Sample], interval: float) -> list[list[Sample]]:
    """Split samples at each end of the alert."""
    stretches = [samples[:1]] if samples else []
    for before, after in pairwise(samples):
        if after.at - before.at < 1.5 * interval or _goes_on(before, after):
            stretches[-1].append(after)
        else:
            stretches.append([after])
    return stretches


def _goes_on(before: Sample, after: Sample) -> bool:
    """Return whether the alert has the same activeAt after a gap: then an evaluation was skipped or failed."""
    if before.since is None or before.since != after.since:
        return False
    # An alert that began again at this sample would have its instant as activeAt.
    return after.since < math.floor(after.at)


def _timeline(labels: dict[str, str], stretch: list[Sample], interval: float, recorded_until: float) -> AlertTimeline:
    firing = next((sample.at for sample in stretch if sample.state == "firing"), None)
    after = stretch[-1].at + interval
    ended = after if after < recorded_until - min(interval / 2, WRITTEN_WITHIN_SECONDS) else None
    return AlertTimeline(labels, stretch[0].at, firing, ended, tuple(stretch))
