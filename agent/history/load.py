"""The figures of the load over time: counts, and histograms of latency and lateness, for periods of ten seconds to a day.

Periods are added up as they grow older: counts are summed, and histograms are merged, so that a percentile of a month is
that of all its transactions and no mean of percentiles. A histogram has two digits: it is exact to one per cent.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Any

from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.connection import Database, HistoryUnavailable
from alertdrill.probes.load.second_counter import Samples, SecondCounts
from alertdrill.probes.load.tally import freed_at_once
from alertdrill.units import json_text

FINEST_SECONDS = 10
_MINUTE, _TEN_MINUTES, _HOUR, _DAY = 60, 600, 3_600, 86_400
# Until a period is that old, it is kept as it is; then it is added to the next longer one.
_AGES = (
    (FINEST_SECONDS, _MINUTE, timedelta(hours=6)),
    (_MINUTE, _TEN_MINUTES, timedelta(days=7)),
    (_TEN_MINUTES, _HOUR, timedelta(days=90)),
)
_MOST_ROWS = 720
# A second may be told late, and those of two loads overlap where one follows the other.
_OPEN_SECONDS = 20
_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 3_600_000_000, 2
_FOLD_AT_ONCE = 64
_MOST_REASONS = 10_000
_PART_BITS = 62
_COLUMNS = (
    "span, started_at, part, whole_seconds, target, due, succeeded, failed, dropped, lost, reasons, latency, lateness"
)


def _histogram() -> HdrHistogram:
    return freed_at_once(HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS, b64_wrap=False))


@dataclass
class LoadPeriod:
    """The load of `span` seconds since `started_at` (Unix seconds).

    `whole_seconds` were counted in it, and by its rate `target` transactions were due in them. `due` counts transactions
    by their due time, the others by their end; `reasons` counts the failed ones. Latency runs from the due time;
    lateness is that of the send; both are in microseconds. `part` tells apart what was collected of the same ten seconds
    by agents one after another: a part that is written twice, after a doubtful end of a connection, counts once.
    """

    span: int
    started_at: int
    part: int = 0
    whole_seconds: int = 0
    target: float = 0.0
    due: int = 0
    succeeded: int = 0
    failed: int = 0
    dropped: int = 0
    lost: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    latency: HdrHistogram = field(default_factory=_histogram)
    lateness: HdrHistogram = field(default_factory=_histogram)

    def folding(self, second: SecondCounts) -> Iterator[None]:
        """Add a second, a little at each step of the iteration."""
        if second.is_whole:
            self.whole_seconds += 1
            self.target += second.target_rate
        self.due += second.due
        self.succeeded += second.ended - second.failed
        self.failed += second.failed
        self.dropped += second.dropped
        self.lost += second.lost
        self.reasons.update(second.reasons)
        yield from _recording(self.latency, second.latencies)
        yield from _recording(self.lateness, second.lateness)

    def add(self, other: LoadPeriod) -> None:
        """Add another period to this one."""
        for name in ("whole_seconds", "target", "due", "succeeded", "failed", "dropped", "lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons.update(other.reasons)
        self.latency.add(other.latency)
        self.lateness.add(other.lateness)

    @property
    def rate(self) -> float | None:
        """The transactions that were due in a second; None if no whole second was counted."""
        return self.due / self.whole_seconds if self.whole_seconds else None

    @property
    def target_rate(self) -> float | None:
        """The same as the load should have been."""
        return self.target / self.whole_seconds if self.whole_seconds else None

    def row(self) -> tuple[object, ...]:
        """Return the values of its row."""
        counts = (self.due, self.succeeded, self.failed, self.dropped, self.lost)
        reasons = json.dumps(self.reasons, sort_keys=True)
        blobs = (self.latency.encode(), self.lateness.encode())
        return (self.span, self.started_at, self.part, self.whole_seconds, float(self.target), *counts, reasons, *blobs)


def percentile_seconds(histogram: HdrHistogram, percentile: float) -> float | None:
    """Return the duration at a percentile (0 to 100); None when there are no samples."""
    if not histogram.get_total_count():
        return None
    return float(histogram.get_value_at_percentile(percentile)) / 1e6


def _recording(histogram: HdrHistogram, samples: Samples) -> Iterator[None]:
    for number, (value, count) in enumerate(samples.counts.items(), 1):
        histogram.record_value(min(max(value, 0), _HIGHEST_US), count)
        if number % _FOLD_AT_ONCE == 0:
            yield


def of_row(row: tuple[Any, ...]) -> LoadPeriod:
    """Make a period of its row; raises HistoryUnavailable if that is damaged."""
    *counts, reasons, latency, lateness = row
    try:
        period = LoadPeriod(*counts)
        period.reasons.update(json_text.parse(reasons.encode(), _MOST_REASONS))
        period.latency, period.lateness = _decoded(latency), _decoded(lateness)
    except (ValueError, TypeError, zlib.error, HdrCookieException, HdrLengthException) as error:
        raise HistoryUnavailable(f"the load of {row[1]} (Unix seconds) is damaged: {error}") from error
    return period


def _decoded(blob: bytes) -> HdrHistogram:
    return freed_at_once(HdrHistogram.decode(bytes(blob), False))


class LoadPeriods:
    """Collects the seconds of a running load, and gives the row of each period of ten seconds to `put` when it is over."""

    def __init__(self, put: Callable[[tuple[object, ...]], None]) -> None:
        self._put = put
        self._open: dict[int, LoadPeriod] = {}

    def folding(self, second: SecondCounts, at: float) -> Iterator[None]:
        """Add the second that began at an instant (Unix seconds), a little at each step of the iteration."""
        start = int(at // FINEST_SECONDS * FINEST_SECONDS)
        period = self._open.get(start)
        if period is None:
            period = self._open[start] = LoadPeriod(FINEST_SECONDS, start, secrets.randbits(_PART_BITS))
        yield from period.folding(second)
        # Also those that are later: the clock may have been set back.
        self._close([one for one in self._open if abs(one - start) >= _OPEN_SECONDS])

    def close(self) -> None:
        """Return all periods, also those that are not over."""
        self._close(self._open)

    def _close(self, starts: Iterable[int]) -> None:
        for start in sorted(starts):
            self._put(self._open.pop(start).row())


def save_periods(database: Database, rows: Iterable[tuple[object, ...]]) -> None:
    """Write periods within the transaction of the caller, without those that are there."""
    database.insert("load_period", rows)


def roll_up(database: Database, history: HistorySettings, now: float) -> bool:
    """Add the periods that are old enough to longer ones, and remove those of days that are too old.

    At most 720 of each kind at once, in one transaction; returns whether there may be more.
    """
    ages = [(span, longer, min(age, history.keep_load)) for span, longer, age in _AGES]
    has_more = False
    for span, longer, age in (*ages, (_HOUR, _DAY, history.keep_load)):
        before = int((now - age.total_seconds()) // longer * longer)
        has_more |= _rolled_up(database, span, longer, before)
    oldest = int(now - history.keep_load_days.total_seconds())
    database.execute(
        "DELETE FROM load_period WHERE agent = ? AND span = ? AND started_at < ?", (database.agent, _DAY, oldest)
    )
    return has_more


def _rolled_up(database: Database, span: int, longer: int, before: int) -> bool:
    """Add the periods of one length that began before an instant to longer ones; returns whether there may be more."""
    rows = database.execute(
        f"SELECT {_COLUMNS} FROM load_period WHERE agent = ? AND span = ? AND started_at < ?"  # noqa: S608
        f" ORDER BY started_at, part LIMIT {_MOST_ROWS}",
        (database.agent, span, before),
    )
    if not rows:
        return False
    last, part = rows[-1][1:3]
    with database.writing():
        for start, group in groupby(rows, lambda row: int(row[1]) // longer * longer):
            _add(database, longer, start, group)
        database.execute(
            "DELETE FROM load_period"
            " WHERE agent = ? AND span = ? AND (started_at < ? OR (started_at = ? AND part <= ?))",
            (database.agent, span, last, last, part),
        )
    return len(rows) == _MOST_ROWS


def _add(database: Database, span: int, start: int, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows to the period of a length that began at an instant."""
    total = LoadPeriod(span, start)
    there = database.execute(
        f"SELECT {_COLUMNS} FROM load_period WHERE agent = ? AND span = ? AND started_at = ?",  # noqa: S608
        (database.agent, span, start),
    )
    for row in (*there, *rows):
        total.add(of_row(row))
    database.replace("load_period", ("span", "started_at", "part"), [total.row()])


def periods(database: Database, since: float, every: int) -> list[LoadPeriod]:
    """List the load since an instant in periods of so many seconds; older ones may be longer, as they are kept."""
    rows = database.execute(
        f"SELECT {_COLUMNS} FROM load_period WHERE agent = ? AND started_at + span > ?",  # noqa: S608
        (database.agent, int(since)),
    )
    sums: dict[tuple[int, int], LoadPeriod] = {}
    for row in sorted(rows, key=lambda row: (row[1], row[0])):
        span = max(every, int(row[0]))
        start = int(row[1]) // span * span
        sums.setdefault((start, span), LoadPeriod(span, start)).add(of_row(row))
    return [sums[key] for key in sorted(sums)]
