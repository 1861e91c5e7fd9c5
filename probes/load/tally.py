"""The counts of a load, second by second and in total. The memory needed does not grow with the transactions.

Latency is counted from the instant at which a transaction was due, so that a stall shows in every transaction
that it delayed (no coordinated omission). The time since the send and the lateness of the send are kept as well.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from alertdrill.probes.load.second_counter import Samples, SecondCounts

_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 3_600_000_000, 3
# Adding a sample takes 1.5 µs, so this many block the event loop for a tenth of a millisecond.
_FOLD_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class LoadSecond:
    """One second of load. Latencies are counted from the due time; they are None when nothing ended in the second.

    `due` counts transactions by their due time; `succeeded`, `failed` and the latencies by the instant of the end.
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
        """The number of samples."""
        return int(self.histogram.get_total_count())

    def percentile_seconds(self, percentile: float) -> float | None:
        """Return the duration at a percentile (0 to 100); None when there are no samples."""
        if self.count == 0:
            return None
        return float(self.histogram.get_value_at_percentile(percentile)) / 1e6

    def counts_up_to(self, bounds_seconds: Iterable[float]) -> list[int]:
        """Count for each bound the samples that do not exceed it; the bounds must ascend.

        A sample in the same bin as a bound counts as not exceeding it. Bins are a microsecond wide up to 2 ms, and
        at most a thousandth of their value above that.
        """
        histogram, counts, total, begin = self.histogram, [], 0, 0
        for bound in bounds_seconds:
            end = histogram.get_counts_array_index(int(bound * 1e6)) + 1
            # The sum of a slice is a hundred times faster than the histogram's own iterators.
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
    """The counts of the requests with one name."""

    failed: int = 0
    durations: Distribution = field(default_factory=Distribution)


class Tally:
    """Adds seconds up; `due` always equals succeeded + failed + dropped + lost + in flight.

    `seconds` has at least the last `kept_seconds` of them, or all when that is None. The sums count every second.
    """

    def __init__(self) -> None:
        self.kept_seconds: int | None = None
        self.seconds: list[LoadSecond] = []
        # Parts of seconds, in which the load ended or which were split: their rates mean nothing.
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
        """The number of transactions that succeeded or failed."""
        return self.succeeded + self.failed

    async def whole(self) -> None:
        """Wait until the second that is being added is complete: until then its counts and durations do not match."""
        while self._is_folding:  # noqa: ASYNC110 - it takes milliseconds, and an event would have to be set each time
            await asyncio.sleep(0)

    def add(self, second: SecondCounts) -> None:
        """Add a second at once."""
        for _ in self.folding(second):
            pass

    def folding(self, second: SecondCounts) -> Iterator[None]:
        """Add a second, a little at each step of the iteration, so that a load in the same loop is not delayed."""
        self._is_folding = True
        self._count(second)
        (self.seconds if second.is_whole else self.parts).append(_summed_up(second))
        # Removed only when there are half as many again: each removal moves all seconds that are kept.
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


class PhasedTally(Tally):
    """The counts of a whole load, and in `parts_held` those of each range of seconds.

    A transaction is counted in the second in which it ended.
    """

    def __init__(self, held: Sequence[range]) -> None:
        super().__init__()
        self.folded_seconds = 0
        self.parts_held = [Tally() for _ in held]
        self._held = held

    def folding(self, second: SecondCounts) -> Iterator[None]:
        """Add a second to the whole load and to its phase, a little at each step of the iteration."""
        yield from super().folding(second)
        for held, part in zip(self._held, self.parts_held, strict=True):
            if second.is_whole and second.offset in held:
                yield from part.folding(second)
        self.folded_seconds = second.offset + 1


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
