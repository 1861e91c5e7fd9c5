"""The record of a load without failures, for benchmarks that run no load."""

from __future__ import annotations

from alertdrill.agent.recording.records import LoadRecord, SecondRecord


def honest(rate: float, seconds: list[SecondRecord], lateness_p99_seconds: float = 0.0) -> LoadRecord:
    """Return the record of a load whose transactions all succeeded; the rate is in transactions a second."""
    due = sum(second.due for second in seconds)
    return LoadRecord(
        target_rate=rate,
        due=due,
        succeeded=due,
        failed=0,
        dropped=0,
        in_flight_at_end=0,
        reasons={},
        details={},
        lateness_p99_seconds=lateness_p99_seconds,
        seconds=seconds,
    )
