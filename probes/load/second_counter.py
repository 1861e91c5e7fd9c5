"""Counts what the load does within one second. This runs for every transaction, so it only appends and adds.

The counts of a second are plain numbers and dicts: they are sent between processes, and added to others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from alertdrill.probes.outcome import NamedRequest, Opening, Outcome


@dataclass
class Samples:
    """How often each duration occurred, in full microseconds, and the exact sum of all in seconds."""

    counts: Counter[int] = field(default_factory=Counter)
    sum_seconds: float = 0.0

    def add(self, other: Samples) -> None:
        """Add another's samples to these."""
        self.counts.update(other.counts)
        self.sum_seconds += other.sum_seconds

    def quantiles_seconds(self, *percentiles: float) -> list[float | None]:
        """Return for each percentage (0 to 100) the smallest sample that so much of all does not exceed.

        Each is None when there are no samples.
        """
        total = self.counts.total()
        if total == 0:
            return [None] * len(percentiles)
        ranks = iter(sorted(self.counts.items()))
        found: list[float | None] = []
        seen, value = 0, 0
        for percentile in percentiles:
            while seen < max(percentile / 100 * total, 1) - 1e-9:
                value, count = next(ranks)
                seen += count
            found.append(value / 1e6)
        return found


@dataclass
class RequestCounts:
    """The requests of one name within a second; the answers to `redirects` of them were not checked."""

    failed: int = 0
    redirects: int = 0
    durations: Samples = field(default_factory=Samples)

    def add(self, other: RequestCounts) -> None:
        """Add another's counts to these."""
        self.failed += other.failed
        self.redirects += other.redirects
        self.durations.add(other.durations)


@dataclass
class OpeningCounts:
    """The requests within a second that waited before they could be sent, mostly for a new connection.

    Of the requests without a name, `transactions` has the durations of transactions with such a wait or with redirects,
    and `requests` those of their requests without it; all others took as long as their transaction. `tls` has no samples
    where the client does not know them.
    """

    transactions: Samples = field(default_factory=Samples)
    requests: Samples = field(default_factory=Samples)
    waited: Samples = field(default_factory=Samples)
    connecting: Samples = field(default_factory=Samples)
    tls: Samples = field(default_factory=Samples)

    def add(self, other: OpeningCounts) -> None:
        """Add another's counts to these."""
        for name in OPENING_PARTS:
            getattr(self, name).add(getattr(other, name))


OPENING_PARTS = ("transactions", "requests", "waited", "connecting", "tls")


_SUMS = (
    "target_rate",
    "due",
    "ended",
    "failed",
    "dropped",
    "lost",
    "in_flight",
    "most_in_flight",
    "refused_requests",
    "redirects",
)


@dataclass
class SecondCounts:
    """The counts of one second of load. The same second of several workers can be added up.

    `due` counts transactions by their due time, the others by the instant of their end. `latencies` run from the
    due time, `durations` from the send, without those in `openings.transactions`. `redirects` are answers to requests
    without a name that led to another request. `lost` are transactions of a worker that died. `in_flight` is the number at
    the end of the second, `most_in_flight` the largest number within it; for several workers that is an upper
    bound, because they may reach their largest numbers at different times. The last second of a load may be shorter
    than a second: then `is_whole` is false. A second that was split has two such parts.
    """

    offset: int
    is_whole: bool = True
    target_rate: float = 0.0
    due: int = 0
    ended: int = 0
    failed: int = 0
    dropped: int = 0
    lost: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    refused_requests: int = 0
    redirects: int = 0
    latencies: Samples = field(default_factory=Samples)
    durations: Samples = field(default_factory=Samples)
    openings: OpeningCounts = field(default_factory=OpeningCounts)
    lateness: Samples = field(default_factory=Samples)
    reasons: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    failed_checks: Counter[str] = field(default_factory=Counter)
    requests: dict[str, RequestCounts] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    failed_traces: list[str] = field(default_factory=list)

    def add(self, other: SecondCounts) -> None:
        """Add another worker's same second to this one."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, its in (
            (self.latencies, other.latencies),
            (self.durations, other.durations),
            (self.lateness, other.lateness),
        ):
            mine.add(its)
        self.openings.add(other.openings)
        self.reasons.update(other.reasons)
        self.details = other.details | self.details
        self.failed_checks.update(other.failed_checks)
        for name, counts in other.requests.items():
            self.requests.setdefault(name, RequestCounts()).add(counts)
        self.acknowledged += other.acknowledged
        self.failed_traces += other.failed_traces


class SecondCounter:
    """Counts the current second."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._begin()

    def _begin(self) -> None:
        self._lateness_seconds: list[float] = []
        self._latency_seconds: list[float] = []
        self._duration_seconds: list[float] = []
        self._requests: dict[str, list[NamedRequest]] = {}
        self._delayed_seconds: list[float] = []
        self._request_seconds: list[float] = []
        self._openings: list[Opening] = []
        self._second = SecondCounts(offset=0)
        self._most_in_flight = self.in_flight

    @property
    def has_counted(self) -> bool:
        """Whether anything was counted in the current second."""
        return bool(self._lateness_seconds or self._latency_seconds or self._second.dropped)

    def sent(self, lateness_seconds: float) -> None:
        """Count a transaction that was due and is sent now."""
        in_flight = self.in_flight = self.in_flight + 1
        if in_flight > self._most_in_flight:  # noqa: PLR1730 - a call of max costs three times as much
            self._most_in_flight = in_flight
        self._lateness_seconds.append(lateness_seconds)

    def dropped(self) -> None:
        """Count a transaction that was due and cannot be sent."""
        self._second.dropped += 1

    def ended(self, outcome: Outcome, latency_seconds: float, duration_seconds: float) -> None:
        """Count a transaction that ended, with the seconds since its due time and since its send."""
        self.in_flight -= 1
        self._latency_seconds.append(latency_seconds)
        if outcome.opening is None and not outcome.hops:
            self._duration_seconds.append(duration_seconds)
        else:
            self._delayed(outcome, duration_seconds)
        if outcome.reason is not None or outcome.refused_by_status:
            self._failed(outcome)
        if outcome.requests:
            self._named(outcome)

    def _failed(self, outcome: Outcome) -> None:
        second = self._second
        second.refused_requests += outcome.refused_by_status or outcome.reason != "check"
        if outcome.reason is None:
            return
        second.failed += 1
        second.reasons[outcome.reason] += 1
        second.details.setdefault(outcome.reason, outcome.detail)
        second.failed_checks.update(outcome.failed_checks)
        if outcome.trace_id:
            second.failed_traces.append(outcome.trace_id)

    def _delayed(self, outcome: Outcome, duration_seconds: float) -> None:
        self._delayed_seconds.append(duration_seconds)
        if outcome.opening is not None:
            self._openings.append(outcome.opening)
            self._request_seconds.append(max(duration_seconds - outcome.opening.waited_seconds, 0.0))
            return
        self._openings += [hop.opening for hop in outcome.hops if hop.opening is not None]
        self._request_seconds += [hop.seconds for hop in outcome.hops]
        self._second.redirects += sum(hop.is_redirect for hop in outcome.hops)

    def _named(self, outcome: Outcome) -> None:
        for request in outcome.requests:
            self._requests.setdefault(request.name, []).append(request)
            if request.opening is not None:
                self._openings.append(request.opening)

    def _opening_counts(self) -> OpeningCounts:
        return OpeningCounts(
            transactions=_samples(self._delayed_seconds),
            requests=_samples(self._request_seconds),
            waited=_samples([one.waited_seconds for one in self._openings]),
            connecting=_samples([one.connecting_seconds for one in self._openings]),
            tls=_samples([one.tls_seconds for one in self._openings if one.tls_seconds is not None]),
        )

    def close(self, offset: int, target_rate: float, acknowledged: list[str], *, is_whole: bool) -> SecondCounts:
        """End the second that began `offset` seconds after the start, and begin the next."""
        second = self._second
        second.offset, second.target_rate, second.in_flight = offset, target_rate, self.in_flight
        second.most_in_flight = self._most_in_flight
        second.is_whole = is_whole
        second.due = len(self._lateness_seconds) + second.dropped
        second.ended = len(self._latency_seconds)
        second.lateness = _samples(self._lateness_seconds)
        second.latencies = _samples(self._latency_seconds)
        second.durations = _samples(self._duration_seconds)
        second.openings = self._opening_counts()
        second.requests = {name: _request_counts(requests) for name, requests in self._requests.items()}
        second.acknowledged = acknowledged
        self._begin()
        return second


def _request_counts(requests: list[NamedRequest]) -> RequestCounts:
    return RequestCounts(
        failed=sum(request.failed for request in requests),
        redirects=sum(request.is_redirect for request in requests),
        durations=_samples([request.seconds for request in requests]),
    )


def _samples(seconds: list[float]) -> Samples:
    return Samples(Counter([int(value * 1e6) for value in seconds]), sum(seconds))
