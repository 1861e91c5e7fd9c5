"""The record of a load, as a drill's recording keeps it."""

from __future__ import annotations

from statistics import fmean

from alertdrill.agent.recording.records import LoadRecord, MoneyRecord, SecondRecord
from alertdrill.probes.load.tally import Tally


def load_record(tally: Tally, started_at: float, money: list[MoneyRecord]) -> LoadRecord:
    """Return the record of a load.

    `started_at` is when the load began, in Unix seconds: the tally's seconds count from there. `money` is the money of
    each transaction.
    """
    targets = [second.target_rate for second in tally.seconds]
    return LoadRecord(
        target_rate=fmean(targets) if targets else 0.0,
        due=tally.due,
        succeeded=tally.succeeded,
        failed=tally.failed,
        dropped=tally.dropped,
        in_flight_at_end=tally.in_flight,
        reasons=dict(tally.reasons),
        details=tally.details,
        lateness_p99_seconds=tally.lateness.percentile_seconds(99) or 0.0,
        seconds=[
            SecondRecord(
                at=started_at + second.offset,
                due=second.due,
                succeeded=second.succeeded,
                failed=second.failed,
                unanswered=second.unanswered,
                dropped=second.dropped,
                in_flight=second.in_flight,
                p50_seconds=second.p50_seconds,
                p95_seconds=second.p95_seconds,
                p99_seconds=second.p99_seconds,
            )
            for second in tally.seconds
        ],
        money=money,
        failed_traces=list(tally.failed_traces),
    )
