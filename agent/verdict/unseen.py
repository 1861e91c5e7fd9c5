"""Which scrapes an evaluation did not have yet: those under way when it came, and what comes of a target's removal."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

from alertdrill.agent.recording.records import GroupRecord, TargetRecord, WatchedRecord

# From the end of a scrape until its samples can be queried, on a machine that has time for it.
_COMMIT_SECONDS = 0.020
# A target that is no longer scraped has its series end with the scrape that it lacks, but that is written only two
# intervals and a tenth later (scrape/scrape.go, endOfRunStaleness).
_REMOVAL_INTERVALS = 3.2


def unseen_since(
    record: WatchedRecord,
    grid: list[float],
    group: GroupRecord | None,
    targets: list[TargetRecord],
    recorded_until: float,
) -> list[float | None]:
    """Tell for each evaluation since when it may lack what was scraped; None where all scrapes were over."""
    if not targets:
        # Series without a target's labels come from other rules or elsewhere, at instants that nobody knows.
        return [*grid]
    readable = _COMMIT_SECONDS + _busy_seconds(record, group, targets) - record.query_offset_seconds
    return [_first(_lacking(target, at, readable, recorded_until) for target in targets) for at in grid]


def _first(instants: Iterable[float | None]) -> float | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _lacking(target: TargetRecord, at: float, readable_seconds: float, recorded_until: float) -> float | None:
    """Tell since when an evaluation may lack what came of a target: of scrapes under way, or of its removal."""
    index = bisect_right(target.instants, at + 0.0005) - 1
    since = None
    while index >= 0 and target.instants[index] + target.durations_seconds[index] + readable_seconds > at:
        since, index = target.instants[index], index - 1
    last = target.instants[-1] if target.instants else recorded_until
    told_by = last + _REMOVAL_INTERVALS * target.interval_seconds + readable_seconds
    if last + 1.5 * target.interval_seconds < recorded_until and last <= at < told_by:
        return last if since is None else min(last, since)
    return since


def _busy_seconds(record: WatchedRecord, group: GroupRecord | None, targets: list[TargetRecord]) -> float:
    """Tell how late Prometheus did its own work at the worst: whoever evaluates and scrapes late, stores late too."""
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
