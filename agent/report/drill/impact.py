"""What a drill cost: transactions that failed, were never sent or were slow, and the money that they carried.

`blocks` writes all of it as a section of the post-mortem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import LoadRecord, SecondRecord
from alertdrill.agent.report.drill import kpi_phases
from alertdrill.agent.report.drill.wording import audit_words
from alertdrill.agent.report.markdown import plain, table
from alertdrill.agent.report.scorecard import MARKS, KpiCell
from alertdrill.agent.report.words import latency_words, utc_milliseconds


@dataclass(frozen=True)
class Peak:
    """The worst second: its count, and when it began (Unix seconds)."""

    count: int
    at: float


@dataclass(frozen=True)
class Slow:
    """The number of transactions slower than `limit_seconds`, at least and at most, and of seconds with a p95 above it.

    A recording keeps quantiles of each second: where the p95 is above the limit, at least 5 % of that second were.
    """

    limit_seconds: float
    least: int
    most: int
    seconds: int


@dataclass(frozen=True)
class Money:
    """The amount of one currency in the transactions that did not succeed, and whether it is exact."""

    currency: str
    amount: Decimal
    is_exact: bool


def loads(recording: Recording) -> dict[str, LoadRecord]:
    """Return the load of the drill and that of each surge, by name."""
    surges = {f"surge of {one.target}": one.load for one in recording.faults if one.load is not None}
    return {"load": recording.load} | surges


def not_succeeded(recording: Recording) -> int:
    """Count the transactions that failed, and those that were never sent."""
    return sum(load.failed + load.dropped for load in loads(recording).values())


def by_phase(recording: Recording) -> Iterator[tuple[str, int, int, int]]:
    """Yield each phase with its transactions due, failed and dropped; a second belongs to the phase in which it began."""
    for phase in recording.phases:
        inside = [one for one in recording.load.seconds if phase.started_at <= one.at < phase.ended_at]
        yield (
            phase.phase,
            sum(one.due for one in inside),
            sum(one.failed for one in inside),
            sum(one.dropped for one in inside),
        )


def peak(seconds: Iterable[SecondRecord], count: Callable[[SecondRecord], int]) -> Peak | None:
    """Find the first of the worst seconds; None where the count is 0 throughout."""
    worst = max(seconds, key=count, default=None)
    return Peak(count(worst), worst.at) if worst is not None and count(worst) else None


def slow(recording: Recording, limit_seconds: float) -> Slow:
    """Estimate from the quantiles of each second how many transactions took longer than a limit."""
    least, most, seconds = 0.0, 0.0, 0
    for second in (one for load in loads(recording).values() for one in load.seconds):
        ended = second.succeeded + second.failed
        low, high = _shares_above(second, limit_seconds)
        least, most = least + low * ended, most + high * ended
        seconds += second.p95_seconds is not None and second.p95_seconds > limit_seconds
    return Slow(limit_seconds, round(least), round(most), seconds)


def _shares_above(second: SecondRecord, limit: float) -> tuple[float, float]:
    """Return the smallest and the largest possible share above a limit."""
    if second.p50_seconds is None or second.p95_seconds is None or second.p99_seconds is None:
        return 0.0, 0.0
    if second.p50_seconds > limit:
        return 0.50, 1.0
    if second.p95_seconds > limit:
        return 0.05, 0.50
    return (0.01, 0.05) if second.p99_seconds > limit else (0.0, 0.01)


def money(load: LoadRecord) -> list[Money]:
    """Return the money in the transactions of a load that did not succeed, a mean where amounts are random."""
    count = load.failed + load.dropped
    return [
        Money(one.currency, (one.mean * count * Decimal(str(one.share))).quantize(Decimal("0.01")), one.is_exact)
        for one in load.money
    ]


def blocks(recording: Recording, slow_seconds: float) -> Iterator[str]:
    """Write the section of the post-mortem; transactions above `slow_seconds` count as slow."""
    named = loads(recording)
    yield table(("transactions", "due", "failed", "never sent"), _rows(recording, named))
    yield "\n".join(_lines(recording, named, slow_seconds))
    kpis = [(row.name, *map(_cell, row.cells), row.target) for row in kpi_phases.rows(recording)]
    if kpis:
        yield table(("KPI", *kpi_phases.phases(recording), "target"), kpis)


def _rows(recording: Recording, named: Mapping[str, LoadRecord]) -> Iterator[tuple[str, ...]]:
    for phase, due, failed, dropped in by_phase(recording):
        yield phase, f"{due:,}", f"{failed:,}", f"{dropped:,}"
    for name, load in named.items():
        # The rows of phases above count whole seconds only.
        whole = f"{name}, from its first to its last transaction"
        yield whole, f"{load.due:,}", f"{load.failed:,}", f"{load.dropped:,}"


def _cell(cell: KpiCell) -> str:
    return f"{cell.words} {MARKS[cell.status]}".rstrip()


def _lines(recording: Recording, named: Mapping[str, LoadRecord], slow_seconds: float) -> Iterator[str]:
    found = slow(recording, slow_seconds)
    yield (
        f"- Slower than {latency_words(slow_seconds)}: {found.least:,} to {found.most:,} transactions, as the"
        f" quantiles of each second show; the 95th percentile was above it in {found.seconds} s."
    )
    for name, load in named.items():
        # A single surge needs no name.
        shortest = "surge" if len(named) == 2 and name != "load" else plain(name)
        of_load = f" of the {shortest}" if len(named) > 1 else ""
        yield from _load_lines(load, of_load)
        yield from _money_lines(load, of_load)
    if recording.audit is not None:
        yield f"- Payment audit: {plain(audit_words(recording.audit))}."


def _load_lines(load: LoadRecord, of_load: str) -> Iterator[str]:
    for name, worst in (
        ("failed", peak(load.seconds, lambda second: second.failed)),
        ("never sent", peak(load.seconds, lambda second: second.dropped)),
    ):
        if worst is not None:
            yield f"- Worst second{of_load}, {name}: {worst.count:,}, at {utc_milliseconds(worst.at)} UTC."
    if load.in_flight_at_end:
        yield f"- Still in flight at the end{of_load}: {load.in_flight_at_end:,}."
    for reason, count in sorted(load.reasons.items(), key=lambda one: -one[1]):
        detail = load.details.get(reason, "")
        yield f"- Failed{of_load} by {plain(reason)}: {count:,}{f' ({plain(detail)})' if detail else ''}."


def _money_lines(load: LoadRecord, of_load: str) -> Iterator[str]:
    if not load.money:
        yield f"- Money{of_load}: unknown, because neither the recording nor a probe file says how much a transaction carries."
        return
    amounts = money(load)
    about = "" if all(one.is_exact for one in amounts) else "about "
    sums = ", ".join(f"{one.amount:,} {plain(one.currency)}".rstrip() for one in amounts)
    yield f"- Money in transactions{of_load} that did not succeed: {about}{sums}."
    if about:
        yield "  Amounts and currencies are random, so this is their mean times the count."
    yield "  A failed transaction may have been booked all the same, where only its answer was late or lost."
