"""The counts of a load, second by second and in total. The memory needed does not grow with the transactions.

Latency is counted from the instant at which a transaction was due, so that a stall shows in every transaction
that it delayed (no coordinated omission). The time since the send and the lateness of the send are kept as well.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from alertdrill.probes.load.second_counter import OPENING_PARTS, OpeningCounts, Samples, SecondCounts
from alertdrill.probes.outcome import UNANSWERED, WITHOUT_ANSWER

_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 3_600_000_000, 3
MOST_FAILED_TRACES = 100
"""The most trace ids of failed transactions that a tally keeps: its first ones."""
# Adding a sample takes 1.5 µs, so this many block the event loop for a tenth of a millisecond.
_FOLD_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class LoadSecond:
    """One second of load. Latencies are counted from the due time; they are None when nothing ended in the second.

    `due` counts transactions by their due time; `succeeded`, `failed` and the latencies by the instant of the end.
    `unanswered` are those of the failed whose server did not answer.
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
    unanswered: int = 0


def freed_at_once(histogram: HdrHistogram) -> HdrHistogram:
    """Let a histogram, whose encoder refers back to it, leave memory without waiting for the garbage collector.

    Each scrape makes some, of 90 KB, and the collector rarely comes by for a few large objects.
    """
    histogram.encoder.histogram = weakref.proxy(histogram)
    return histogram


class Distribution:
    """Durations in an HDR histogram of microseconds with three digits, and their exact sum."""

    def __init__(self) -> None:
        self.histogram = freed_at_once(HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS))
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
            self.histogram.record_value(min(max(value, 0), _HIGHEST_US), count)
            if number % _FOLD_AT_ONCE == 0:
                yield


def together(distributions: Iterable[Distribution]) -> Distribution:
    """Return the distribution of all samples of several; the only one that has samples is returned itself."""
    filled = [one for one in distributions if one.count]
    if len(filled) == 1:
        return filled[0]
    total = Distribution()
    for one in filled:
        total.histogram.add(one.histogram)
        total.sum_seconds += one.sum_seconds
    if filled:
        # The library takes the 0 of an empty histogram for its smallest value, and rounds the largest.
        total.histogram.min_value = min(one.histogram.min_value for one in filled)
        total.histogram.max_value = max(one.histogram.max_value for one in filled)
    return total


@dataclass
class RequestTally:
    """The counts of the requests with one name."""

    failed: int = 0
    redirects: int = 0
    durations: Distribution = field(default_factory=Distribution)


class OpeningTally:
    """The requests that waited before they could be sent; the parts are those of `OpeningCounts`."""

    def __init__(self) -> None:
        self.transactions, self.requests = Distribution(), Distribution()
        self.waited, self.connecting, self.tls = Distribution(), Distribution(), Distribution()

    def folding(self, counts: OpeningCounts) -> Iterator[None]:
        """Add the counts of a second, a few at each step of the iteration."""
        for name in OPENING_PARTS:
            distribution: Distribution = getattr(self, name)
            yield from distribution.folding(getattr(counts, name))


class Tally:
    """Adds seconds up; `due` always equals succeeded + failed + dropped + lost + in flight.

    `seconds` and `parts` have at least the last `kept_seconds` of them, or all when that is None. The sums count every
    second.
    """

    def __init__(self) -> None:
        self.kept_seconds: int | None = None
        self.seconds: list[LoadSecond] = []
        # Parts of seconds, in which the load ended or which were split: their rates mean nothing.
        self.parts: list[LoadSecond] = []
        self.due = self.succeeded = self.failed = self.dropped = self.lost = 0
        self.in_flight = self.most_in_flight = 0
        self.refused_requests = self.redirects = 0
        self.reasons: Counter[str] = Counter()
        self.details: dict[str, str] = {}
        self.failed_checks: Counter[str] = Counter()
        self.failed_traces: list[str] = []
        self.latencies, self.lateness = Distribution(), Distribution()
        self.openings = OpeningTally()
        # Of the transactions whose single request was sent at once and answered: it took as long as they did.
        self._undelayed = Distribution()
        self.requests: dict[str, RequestTally] = {}
        self._is_folding = False

    @property
    def ended(self) -> int:
        """The number of transactions that succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def answered(self) -> int:
        """The number of transactions that ended with an answer, whether it was right or not."""
        return self.ended - sum(self.reasons[reason] for reason in WITHOUT_ANSWER)

    @property
    def durations(self) -> Distribution:
        """The durations of the transactions from their send to their end."""
        return together([self._undelayed, self.openings.transactions])

    @property
    def request_durations(self) -> Distribution:
        """The durations of requests without a name, each without its wait for a connection."""
        return together([self._undelayed, self.openings.requests])

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
        kept = self.seconds if second.is_whole else self.parts
        kept.append(_summed_up(second))
        # Removed only when there are half as many again: each removal moves all seconds that are kept.
        if self.kept_seconds is not None and len(kept) > self.kept_seconds * 1.5:
            del kept[: -self.kept_seconds]
        yield
        yield from self.latencies.folding(second.latencies)
        yield from self._undelayed.folding(second.durations)
        yield from self.openings.folding(second.openings)
        yield from self.lateness.folding(second.lateness)
        for name, counts in second.requests.items():
            tally = self.requests.setdefault(name, RequestTally())
            tally.failed += counts.failed
            tally.redirects += counts.redirects
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
        self.redirects += second.redirects
        self.reasons.update(second.reasons)
        self.details = second.details | self.details
        self.failed_checks.update(second.failed_checks)
        self.failed_traces += second.failed_traces[: MOST_FAILED_TRACES - len(self.failed_traces)]


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
        unanswered=sum(second.reasons[reason] for reason in UNANSWERED),
    )
