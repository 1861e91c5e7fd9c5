"""Samples that an evaluation did not have yet: those of scrapes under way, and the end of a removed target's series."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

from alertdrill.agent.recording.records import GroupRecord, TargetRecord, WatchedRecord

# From the end of a scrape until its samples can be queried, on a machine that is not busy.
_COMMIT_SECONDS = 0.020
# The series of a removed target end with its first missing scrape, but Prometheus writes that end two intervals and a
# tenth later (scrape/scrape.go, endOfRunStaleness).
_REMOVAL_INTERVALS = 3.2


def unseen_since(
    record: WatchedRecord,
    instants: list[float],
    group: GroupRecord | None,
    targets: list[TargetRecord],
    recorded_until: float,
) -> list[float | None]:
    """Return for each evaluation since when it may lack samples; None if no scrape was under way."""
    if not targets:
        # Series without a target's labels come from other rules or other programs, at unknown instants.
        return [*instants]
    readable = _COMMIT_SECONDS + _busy_seconds(record, group, targets) - record.query_offset_seconds
    return [_first(_lacking(target, at, readable, recorded_until) for target in targets) for at in instants]


def _first(instants: Iterable[float | None]) -> float | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _lacking(target: TargetRecord, at: float, readable_seconds: float, recorded_until: float) -> float | None:
    """Return since when an evaluation may lack samples of a target: of scrapes under way, or of its removal."""
    index = bisect_right(target.instants, at + 0.0005) - 1
    since = None
    while index >= 0 and target.instants[index] + target.durations_seconds[index] + readable_seconds > at:
        since, index = target.instants[index], index - 1
    last = target.instants[-1] if target.instants else recorded_until
    written_by = last + _REMOVAL_INTERVALS * target.interval_seconds + readable_seconds
    if last + 1.5 * target.interval_seconds < recorded_until and last <= at < written_by:
        return last if since is None else min(last, since)
    return since


def _busy_seconds(record: WatchedRecord, group: GroupRecord | None, targets: list[TargetRecord]) -> float:
    """Return the longest delay of Prometheus' evaluations and scrapes: when it is busy, it stores samples late too."""
    interval, first = record.interval_seconds, record.first_at + record.query_offset_seconds
    half = interval / 2
    lags = [(one.at - first + half) % interval - half for one in group.evaluations] if group is not None else []
    jitter = [
        after - before - target.interval_seconds
        for target in targets
        for before, after in pairwise(target.instants)
        if after - before < 1.5 * target.interval_seconds
    ]
    return min(max([0.0, *lags, *jitter]), half)
