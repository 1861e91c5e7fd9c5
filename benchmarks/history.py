"""What the history costs: the size of a year of load, the time of its writes, and the time to make it again.

`python -m benchmarks.history` takes minutes. It writes a year at 2,000 transactions a second into SQLite: all but its last
days as they are kept by then, and the last ones period by period, with every step of the roll-up. Then it makes a
history from recordings.
"""

from __future__ import annotations

import math
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.connection import Database
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import catch_up, rebuild
from alertdrill.agent.history.load import FINEST_SECONDS, LoadPeriod, percentile_seconds, periods, roll_up, save_periods
from alertdrill.agent.history.schema import INDEX_TABLES
from alertdrill.agent.recording.recording import read_recording, write_recording

_RATE = 2_000
_MINUTE, _TEN_MINUTES, _HOUR, _DAY = 60, 600, 3_600, 86_400
_YEAR = 365 * _DAY
_SAMPLES = Path(__file__).parents[1] / "tests/recordings"
_MIB = 2**20


def _drawn(span: int, chance: random.Random) -> LoadPeriod:
    """Return a period at the rate, with a spread as a service has it."""
    count = _RATE * span
    made = LoadPeriod(span, 0, whole_seconds=span, target=float(count), due=count, succeeded=count)
    middle = math.log(chance.uniform(3_000, 30_000))
    for _ in range(_RATE):
        made.latency.record_value(int(chance.lognormvariate(middle, 0.7)), span)
        made.lateness.record_value(int(chance.lognormvariate(5, 0.5)), span)
    return made


def _pool(span: int, chance: random.Random) -> list[tuple[object, ...]]:
    return [_drawn(span, chance).row()[2:] for _ in range(100)]


def _rows(span: int, begin: int, end: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    pool = _pool(span, chance)
    for start in range(begin, end, span):
        yield (span, start, *chance.choice(pool))


def _write_year(database: Database, last_days: int) -> dict[str, float]:
    chance, history = random.Random(1), HistorySettings()  # noqa: S311 - a sample
    day_by_day = _YEAR - last_days * _DAY
    fine = day_by_day - 90 * _DAY
    with database.writing():
        database.insert("load_period", _rows(_HOUR, 0, fine, chance))
        database.insert("load_period", _rows(_TEN_MINUTES, fine, day_by_day - 7 * _DAY, chance))
        database.insert("load_period", _rows(_MINUTE, day_by_day - 7 * _DAY, day_by_day, chance))
    slowest, began = 0.0, time.process_time()
    minute: list[tuple[object, ...]] = []
    for row in _rows(FINEST_SECONDS, day_by_day, _YEAR, chance):
        minute.append(row)
        if len(minute) < 6:
            continue
        since = time.process_time()
        with database.writing():
            save_periods(database, minute)
        roll_up(database, history, int(str(row[1])) + FINEST_SECONDS)
        slowest = max(slowest, time.process_time() - since)
        minute.clear()
    seconds = time.process_time() - began
    return {"seconds": seconds, "slowest": slowest, "of a second": seconds / (last_days * _DAY)}


def _report_year(folder: Path, last_days: int) -> None:
    path = folder / "year.db"
    with opened(HistorySettings(url=f"sqlite:{path}"), folder) as database:
        took = _write_year(database, last_days)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        counts: dict[int, int] = dict(database.execute("SELECT span, COUNT(*) FROM load_period GROUP BY span"))
        began = time.process_time()
        (month,) = periods(database, _YEAR - 30 * _DAY, 10 * _YEAR)
        read = time.process_time() - began
    typer.echo(f"a year at {_RATE}/s: {path.stat().st_size / _MIB:.1f} MiB, rows by seconds {counts}")
    of_second, slowest = took["of a second"] * 1e6, took["slowest"] * 1e3
    typer.echo(
        f"last {last_days} days: {of_second:.0f} µs of processor time for each second of load, {slowest:.0f} ms for the longest minute"
    )
    typer.echo(
        f"p99 of the last 30 days {percentile_seconds(month.latency, 99)} s, read in {read:.2f} s of processor time"
    )


def _report_rebuild(folder: Path, count: int) -> None:
    kept = folder / "kept"
    samples = [read_recording(path) for path in sorted(_SAMPLES.glob("*.recording.json.gz"))]
    grown = HistorySettings(url=f"sqlite:{folder / 'grown.db'}")
    with opened(grown, kept) as database:
        for number in range(count):
            one = samples[number % len(samples)].model_copy(update={"alertdrill": str(number)})
            write_recording(one, kept / f"{number}.recording.json.gz")
            if number % 100 == 99:
                catch_up(database, kept)
        original = _contents(database)
    with opened(HistorySettings(url=f"sqlite:{folder / 'new.db'}"), kept) as database:
        began = time.process_time()
        rebuild(database, kept)
        seconds = time.process_time() - began
        is_equal = _contents(database) == original
    typer.echo(
        f"rebuild of {count} recordings: {seconds:.1f} s of processor time, {'equal' if is_equal else 'NOT EQUAL'} to the original"
    )


def _contents(database: Database) -> list[list[tuple[object, ...]]]:
    return [sorted(database.execute(f"SELECT * FROM {table}"), key=str) for table in INDEX_TABLES]  # noqa: S608


def main(
    days: Annotated[int, typer.Option(help="So many last days are written period by period.")] = 10,
    recordings: Annotated[int, typer.Option(help="So many recordings are read again.")] = 1_000,
) -> None:
    """Measure, and print a line for each figure."""
    with tempfile.TemporaryDirectory(prefix="alertdrill-history-") as made:
        _report_year(Path(made), days)
        _report_rebuild(Path(made), recordings)
    typer.echo(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    typer.run(main)
