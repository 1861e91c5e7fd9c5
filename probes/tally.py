"""What the load did, second by second and in all, in constant memory.

Latency is counted from the instant a transaction was due, so that a stall shows in every transaction
it delayed (no coordinated omission), and send lateness is kept beside it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from probes.outcome import Outcome

_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 3_600_000_000, 3


@dataclass(frozen=True)
class LoadSecond:
    """One second of load; latencies in seconds, None when nothing ended in it.

    `due` counts by due time; `succeeded`, `failed` and the latencies by the instant of the end.
    """

    offset: int
    due: int
    succeeded: int
    failed: int
    dropped: int
    in_flight: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


@dataclass
class _Window:
    latency: HdrHistogram = field(default_factory=lambda: HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS))
    due: int = 0
    succeeded: int = 0
    failed: int = 0
    dropped: int = 0

    def quantile_seconds(self, percentile: float) -> float | None:
        if self.latency.get_total_count() == 0:
            return None
        return float(self.latency.get_value_at_percentile(percentile)) / 1e6


class Tally:
    """Counts outcomes; the sum of succeeded, failed, dropped and in flight is always what was due."""

    def __init__(self) -> None:
        self.seconds: list[LoadSecond] = []
        self.reasons: Counter[str] = Counter()
        self.details: dict[str, str] = {}
        self.in_flight = 0
        self._total = _Window()
        self._second = _Window()
        self._lateness = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)

    @property
    def due(self) -> int:
        """Count the transactions that were due so far."""
        return self._total.due

    @property
    def succeeded(self) -> int:
        """Count the transactions that succeeded."""
        return self._total.succeeded

    @property
    def failed(self) -> int:
        """Count the transactions that failed."""
        return self._total.failed

    @property
    def dropped(self) -> int:
        """Count the transactions that could not be sent."""
        return self._total.dropped

    def latency_seconds(self, percentile: float) -> float | None:
        """Tell the latency from due time at a percentile (0 to 100), None when nothing ended."""
        return self._total.quantile_seconds(percentile)

    def lateness_seconds(self, percentile: float) -> float:
        """Tell how late, in seconds, transactions were sent at a percentile (0 to 100)."""
        return float(self._lateness.get_value_at_percentile(percentile)) / 1e6

    def sent(self, lateness_seconds: float) -> None:
        """Count a transaction that was due and is sent now."""
        self.in_flight += 1
        self._lateness.record_value(_us(lateness_seconds))
        for window in (self._total, self._second):
            window.due += 1

    def drop(self) -> None:
        """Count a transaction that was due and cannot be sent."""
        for window in (self._total, self._second):
            window.due += 1
            window.dropped += 1

    def ended(self, outcome: Outcome, latency_seconds: float) -> None:
        """Count a transaction that ended, with its latency from its due time."""
        self.in_flight -= 1
        if outcome.reason is not None:
            self.reasons[outcome.reason] += 1
            self.details.setdefault(outcome.reason, outcome.detail)
        for window in (self._total, self._second):
            window.latency.record_value(_us(latency_seconds))
            window.succeeded += outcome.reason is None
            window.failed += outcome.reason is not None

    def close_second(self, offset: int) -> None:
        """End the second that began `offset` seconds after the start."""
        second = self._second
        self.seconds.append(
            LoadSecond(
                offset=offset,
                due=second.due,
                succeeded=second.succeeded,
                failed=second.failed,
                dropped=second.dropped,
                in_flight=self.in_flight,
                p50_seconds=second.quantile_seconds(50),
                p95_seconds=second.quantile_seconds(95),
                p99_seconds=second.quantile_seconds(99),
            )
        )
        self._second = _Window()


def _us(seconds: float) -> int:
    return min(max(round(seconds * 1e6), _LOWEST_US), _HIGHEST_US)
