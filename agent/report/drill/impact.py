"""What a drill cost: transactions that failed, were never sent or were slow, and the money that they carried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import LoadRecord, SecondRecord


@dataclass(frozen=True)
class Peak:
    """The worst second: how many, and when it began (Unix seconds)."""

    count: int
    at: float


@dataclass(frozen=True)
class Slow:
    """How many transactions took longer than `limit_seconds`: at least and at most, and in how many seconds p95 did.

    A recording keeps quantiles of each second, so that a second with p95 above the limit had 5 % above it or more.
    """

    limit_seconds: float
    least: int
    most: int
    seconds: int


@dataclass(frozen=True)
class Money:
    """What the transactions that did not succeed carried in one currency, and whether that is exact."""

    currency: str
    amount: Decimal
    is_exact: bool


def loads(recording: Recording) -> dict[str, LoadRecord]:
    """Name the load of the drill, and that of each surge."""
    surges = {f"surge of {one.target}": one.load for one in recording.faults if one.load is not None}
    return {"load": recording.load} | surges


def not_succeeded(recording: Recording) -> int:
    """Count the transactions that failed, and those that were never sent."""
    return sum(load.failed + load.dropped for load in loads(recording).values())


def by_phase(recording: Recording) -> Iterator[tuple[str, int, int, int]]:
    """Give for each phase how many transactions were due, failed and were dropped; a second is where it began."""
    for phase in recording.phases:
        inside = [one for one in recording.load.seconds if phase.started_at <= one.at < phase.ended_at]
        yield (
            phase.phase,
            sum(one.due for one in inside),
            sum(one.failed for one in inside),
            sum(one.dropped for one in inside),
        )


def peak(seconds: Iterable[SecondRecord], count: Callable[[SecondRecord], int]) -> Peak | None:
    """Find the first of the worst seconds, None where there was no bad one."""
    worst = max(seconds, key=count, default=None)
    return Peak(count(worst), worst.at) if worst is not None and count(worst) else None


def slow(recording: Recording, limit_seconds: float) -> Slow:
    """Count the transactions that took longer than a limit, as closely as quantiles tell."""
    least, most, seconds = 0.0, 0.0, 0
    for second in (one for load in loads(recording).values() for one in load.seconds):
        ended = second.succeeded + second.failed
        low, high = _shares_above(second, limit_seconds)
        least, most = least + low * ended, most + high * ended
        seconds += second.p95_seconds is not None and second.p95_seconds > limit_seconds
    return Slow(limit_seconds, round(least), round(most), seconds)


def _shares_above(second: SecondRecord, limit: float) -> tuple[float, float]:
    """Tell the smallest and the largest share above a limit."""
    if second.p50_seconds is None or second.p95_seconds is None or second.p99_seconds is None:
        return 0.0, 0.0
    if second.p50_seconds > limit:
        return 0.50, 1.0
    if second.p95_seconds > limit:
        return 0.05, 0.50
    return (0.01, 0.05) if second.p99_seconds > limit else (0.0, 0.01)


def money(load: LoadRecord) -> list[Money]:
    """Tell what the transactions of a load that did not succeed carried, on average where that is drawn by chance."""
    count = load.failed + load.dropped
    return [
        Money(one.currency, (one.mean * count * Decimal(str(one.share))).quantize(Decimal("0.01")), one.is_exact)
        for one in load.money
    ]
