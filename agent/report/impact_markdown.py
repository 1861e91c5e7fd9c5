"""The impact of a drill as part of its post-mortem: transactions, money, the ledger, KPIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import LoadRecord
from alertdrill.agent.report import words
from alertdrill.agent.report.drill import impact, kpi_phases
from alertdrill.agent.report.markdown import plain, table
from alertdrill.agent.report.scorecard_words import MARKS


def blocks(recording: Recording, slow_seconds: float) -> Iterator[str]:
    """Write the blocks of the section; transactions above `slow_seconds` count as slow."""
    loads = impact.loads(recording)
    yield table(("transactions", "due", "failed", "never sent"), _rows(recording, loads))
    yield "\n".join(_lines(recording, loads, slow_seconds))
    kpis = [(row.name, *map(_cell, row.cells), row.target) for row in kpi_phases.rows(recording)]
    if kpis:
        yield table(("KPI", *kpi_phases.phases(recording), "target"), kpis)


def clock(instant: float) -> str:
    """Spell Unix seconds as a date and a time in UTC, to the millisecond, which is what Prometheus knows."""
    return datetime.fromtimestamp(round(instant, 3), UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def _rows(recording: Recording, loads: Mapping[str, LoadRecord]) -> Iterator[tuple[str, ...]]:
    for phase, due, failed, dropped in impact.by_phase(recording):
        yield phase, f"{due:,}", f"{failed:,}", f"{dropped:,}"
    for name, load in loads.items():
        # The phases have whole seconds only.
        whole = f"{name}, from its first to its last transaction"
        yield whole, f"{load.due:,}", f"{load.failed:,}", f"{load.dropped:,}"


def _cell(cell: kpi_phases.Cell) -> str:
    return f"{cell.words} {MARKS[cell.status]}".rstrip()


def _lines(recording: Recording, loads: Mapping[str, LoadRecord], slow_seconds: float) -> Iterator[str]:
    slow = impact.slow(recording, slow_seconds)
    yield (
        f"- Slower than {words.latency_words(slow_seconds)}: {slow.least:,} to {slow.most:,} transactions, as the"
        f" quantiles of each second tell; the 95th percentile was above it in {slow.seconds} s."
    )
    for name, load in loads.items():
        # One surge need not be told from others.
        shortest = "surge" if len(loads) == 2 and name != "load" else plain(name)
        of_load = f" of the {shortest}" if len(loads) > 1 else ""
        yield from _load_lines(load, of_load)
        yield from _money_lines(load, of_load)
    if recording.audit is not None:
        yield f"- Ledger: {plain(words.audit_words(recording.audit))}."


def _load_lines(load: LoadRecord, of_load: str) -> Iterator[str]:
    for name, peak in (
        ("failed", impact.peak(load.seconds, lambda second: second.failed)),
        ("never sent", impact.peak(load.seconds, lambda second: second.dropped)),
    ):
        if peak is not None:
            yield f"- Worst second{of_load}, {name}: {peak.count:,}, at {clock(peak.at)} UTC."
    if load.in_flight_at_end:
        yield f"- Broken off at the end{of_load}: {load.in_flight_at_end:,}."
    for reason, count in sorted(load.reasons.items(), key=lambda one: -one[1]):
        detail = load.details.get(reason, "")
        yield f"- Failed{of_load} by {plain(reason)}: {count:,}{f' ({plain(detail)})' if detail else ''}."


def _money_lines(load: LoadRecord, of_load: str) -> Iterator[str]:
    if not load.money:
        yield f"- Money{of_load}: unknown, because neither the recording nor a probe file tells what a transaction carries."
        return
    amounts = impact.money(load)
    about = "" if all(one.is_exact for one in amounts) else "about "
    sums = ", ".join(f"{one.amount:,} {plain(one.currency)}".rstrip() for one in amounts)
    yield f"- Money in transactions{of_load} that did not succeed: {about}{sums}."
    if about:
        yield "  Amounts and currencies are drawn by chance, so this is their mean times the count."
    yield "  What failed may have been booked all the same, where only its answer was late or lost."
