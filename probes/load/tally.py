"""What the load did, second by second and in all, in memory that does not grow with the transactions.

Latency is counted from the instant a transaction was due, so that a stall shows in every transaction
it delayed (no coordinated omission); the time from its send and its send lateness are kept beside it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from alertdrill.probes.load.second_counter import Samples, SecondCounts

_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 3_600_000_000, 3
# Folding a sample takes 1.5 µs, so that this many hold the loop up for a tenth of a millisecond.
_FOLD_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class LoadSecond:
    """One second of load; latencies from the due time in seconds, None when nothing ended in it.

    `due` counts by due time; `succeeded`, `failed` and the latencies by the instant of the end.
    """

    offset: int
    target_rate: float
    due: int
    succeeded: int
    failed: int
    dropped: int
    lost: int
    in_flight: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    lateness_p99_seconds: float | None


class Distribution:
    """Durations in an HDR histogram of microseconds with three digits, and their exact sum."""

    def __init__(self) -> None:
        self.histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)
        self.sum_seconds = 0.0

    @property
    def count(self) -> int:
        """Count the samples."""
        return int(self.histogram.get_total_count())

    def percentile_seconds(self, percentile: float) -> float | None:
        """Tell the duration at a percentile (0 to 100), None when there is no sample."""
        if self.count == 0:
            return None
        return float(self.histogram.get_value_at_percentile(percentile)) / 1e6

    def counts_up_to(self, bounds_seconds: Iterable[float]) -> list[int]:
        """Count the samples that do not exceed each bound, from the smallest bound to the largest.

        A sample that shares the bin of a bound counts as not exceeding it: bins are a microsecond wide up to 2 ms,
        and above at most a thousandth of their values.
        """
        histogram, counts, total, begin = self.histogram, [], 0, 0
        for bound in bounds_seconds:
            end = histogram.get_counts_array_index(int(bound * 1e6)) + 1
            # A slice costs a hundredth of the histogram's own iterators.
            total += sum(histogram.counts[begin:end])
            counts.append(total)
            begin = end
        return counts

    def folding(self, samples: Samples) -> Iterator[None]:
        """Add samples, a few at each step of the iteration."""
        self.sum_seconds += samples.sum_seconds
        for number, (value, count) in enumerate(samples.counts.items(), 1):
            self.histogram.record_value(min(max(value, _LOWEST_US), _HIGHEST_US), count)
            if number % _FOLD_AT_ONCE == 0:
                yield


@dataclass
class RequestTally:
    """The requests of one name."""

    failed: int = 0
    durations: Distribution = field(default_factory=Distribution)


class Tally:
    """Adds seconds up; due is always succeeded + failed + dropped + lost + in flight.

    Of `seconds` at least the last `kept_seconds` are there, all of them when None; the sums are of all in any case.
    """

    def __init__(self) -> None:
        self.kept_seconds: int | None = None
        self.seconds: list[LoadSecond] = []
        # Those within which the load ended; their rates say nothing.
        self.parts: list[LoadSecond] = []
        self.due = self.succeeded = self.failed = self.dropped = self.lost = 0
        self.in_flight = self.most_in_flight = 0
        self.refused_requests = 0
        self.reasons: Counter[str] = Counter()
        self.details: dict[str, str] = {}
        self.failed_checks: Counter[str] = Counter()
        self.latencies, self.durations, self.lateness = Distribution(), Distribution(), Distribution()
        self.requests: dict[str, RequestTally] = {}
        self._is_folding = False

    @property
    def ended(self) -> int:
        """Count the transactions that succeeded or failed."""
        return self.succeeded + self.failed

    async def whole(self) -> None:
        """Wait until no second is added in part, for shares of its counts and its durations would be wrong."""
        while self._is_folding:  # noqa: ASYNC110 - it takes milliseconds, and an event would be one more thing to set
            await asyncio.sleep(0)

    def add(self, second: SecondCounts) -> None:
        """Add a second at once."""
        for _ in self.folding(second):
            pass

    def folding(self, second: SecondCounts) -> Iterator[None]:
        """Add a second, a little at each step of the iteration, so that a load beside it is not held up."""
        self._is_folding = True
        self._count(second)
        (self.seconds if second.is_whole else self.parts).append(_summed_up(second))
        # Half again as many may be there, so that not every second moves all that are kept.
        if self.kept_seconds is not None and len(self.seconds) > self.kept_seconds * 1.5:
            del self.seconds[: -self.kept_seconds]
        yield
        yield from self.latencies.folding(second.latencies)
        yield from self.durations.folding(second.durations)
        yield from self.lateness.folding(second.lateness)
        for name, counts in second.requests.items():
            tally = self.requests.setdefault(name, RequestTally())
            tally.failed += counts.failed
            yield from tally.durations.folding(counts.durations)
        self._is_folding = False

    def _count(self, second: SecondCounts) -> None:
        self.due += second.due
        self.succeeded += second.ended - second.failed
        self.failed += second.failed
        self.dropped += second.dropped
        self.lost += second.lost
        self.in_flight = second.in_flight
        self.most_in_flight = max(self.most_in_flight, second.most_in_flight)
        self.refused_requests += second.refused_requests
        self.reasons.update(second.reasons)
        self.details = second.details | self.details
        self.failed_checks.update(second.failed_checks)


def _summed_up(second: SecondCounts) -> LoadSecond:
    p50, p95, p99 = second.latencies.quantiles_seconds(50, 95, 99)
    (lateness_p99,) = second.lateness.quantiles_seconds(99)
    return LoadSecond(
        offset=second.offset,
        target_rate=second.target_rate,
        due=second.due,
        succeeded=second.ended - second.failed,
        failed=second.failed,
        dropped=second.dropped,
        lost=second.lost,
        in_flight=second.in_flight,
        p50_seconds=p50,
        p95_seconds=p95,
        p99_seconds=p99,
        lateness_p99_seconds=lateness_p99,
    )


class PhasedTally(Tally):
    """All seconds of a load, and in `parts_held` those of each range of seconds alone.

    A transaction counts where it ended, as in every second.
    """

    def __init__(self, held: Sequence[range]) -> None:
        super().__init__()
        self.folded_seconds = 0
        self.parts_held = [Tally() for _ in held]
        self._held = held

    def folding(self, second: SecondCounts) -> Iterator[None]:
        """Add a second to the whole and to its phase, a little at each step of the iteration."""
        yield from super().folding(second)
        for held, part in zip(self._held, self.parts_held, strict=True):
            if second.is_whole and second.offset in held:
                yield from part.folding(second)
        self.folded_seconds = second.offset + 1
