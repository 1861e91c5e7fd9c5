from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import pytest

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.connection import Database, HistoryUnavailable
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.load import LoadPeriod, LoadPeriods, percentile_seconds, periods, roll_up, save_periods
from alertdrill.probes.load.second_counter import Samples, SecondCounts

MINUTE, HOUR, DAY = 60, 3_600, 86_400
MIB = 2**20


@pytest.fixture
def database(tmp_path: Path):  # noqa: ANN201
    with opened(HistorySettings(url=f"sqlite:{tmp_path / 'h.db'}"), tmp_path) as database:
        yield database


def second(offset: int, values_us: list[int], *, is_whole: bool = True) -> SecondCounts:
    """Return a second of a load of 3/s, in which one of the transactions failed."""
    return SecondCounts(
        offset,
        is_whole=is_whole,
        target_rate=3.0,
        due=len(values_us),
        ended=len(values_us),
        failed=1,
        latencies=Samples(Counter(values_us)),
        lateness=Samples(Counter({90: len(values_us)})),
        reasons=Counter(timeout=1),
    )


def collected(put: list[tuple[object, ...]], seconds: list[tuple[SecondCounts, float]]) -> LoadPeriods:
    collecting = LoadPeriods(put.append)
    for one, at in seconds:
        for _ in collecting.folding(one, at):
            pass
    return collecting


def roll_all(database: Database, history: HistorySettings, now: float) -> None:
    while roll_up(database, history, now):
        pass


def spans(database: Database) -> dict[int, int]:
    return dict(database.execute("SELECT span, COUNT(*) FROM load_period GROUP BY span"))


def test_a_second_belongs_to_the_period_of_its_instant_also_when_it_is_told_late(database: Database) -> None:
    """The parts of seconds at the end of a load count, but not in the rate that it should have had."""
    put: list[tuple[object, ...]] = []
    told = [(second(number, [5_000] * 3), 1_000.4 + number) for number in range(19)]
    late = told.pop(3)
    collecting = collected(put, [*told, late, (second(19, [7_000], is_whole=False), 1_019.4)])
    assert put == []
    collecting.close()
    with database.writing():
        save_periods(database, put)
    first, last = periods(database, 0, 10)
    assert (first.started_at, first.whole_seconds, first.target, first.due, first.failed) == (1_000, 10, 30.0, 30, 10)
    assert (last.started_at, last.whole_seconds, last.target, last.due) == (1_010, 9, 27.0, 28)
    assert last.reasons == {"timeout": 10}
    assert last.rate == pytest.approx(28 / 9)
    # An agent that began again within these ten seconds adds to them.
    collected(put, [(second(0, [5_000] * 3), 1_009.0)]).close()
    with database.writing():
        save_periods(database, put)
    assert [one.due for one in periods(database, 0, 10)] == [33, 28], "what is there already is not added again"
    roll_all(database, HistorySettings(), 10 * DAY)
    assert [one.due for one in periods(database, 0, 10)] == [33 + 28]


def test_a_clock_that_is_set_back_costs_no_second(database: Database) -> None:
    put: list[tuple[object, ...]] = []
    told = [(second(number, [5_000] * 3), 5_000 + number) for number in range(30)]
    told += [(second(number, [5_000] * 3), 1_000 + number) for number in range(30)]
    collected(put, told).close()
    assert len(put) == 6
    with database.writing():
        save_periods(database, put)
    assert [one.due for one in periods(database, 0, 1000)] == [90, 90]


def test_percentiles_of_a_month_are_those_of_all_its_transactions(database: Database) -> None:
    """After ten seconds became minutes, ten minutes and hours, within the one per cent of the histograms."""
    chance = random.Random(3)  # noqa: S311 - a sample
    history, values, put = HistorySettings(), [], []
    for day in range(31):
        for hour in range(0, 24, 2):
            slow = 20 if hour == 12 else 1
            drawn = [int(chance.lognormvariate(math.log(4_000 * slow), 0.8)) for _ in range(60)]
            values += drawn
            at = day * DAY + hour * HOUR + day
            collected(put, [(second(0, drawn[:30]), at), (second(1, drawn[30:]), at + 10)]).close()
        with database.writing():
            save_periods(database, put)
        put.clear()
        roll_all(database, history, (day + 1) * DAY)
    roll_all(database, history, 100 * DAY)
    assert set(spans(database)) == {600, HOUR}
    (month,) = periods(database, 0, 1000 * DAY)
    values.sort()
    assert month.due == len(values)
    for percentile in (1, 50, 90, 95, 99, 99.9, 100):
        exact = values[max(math.ceil(percentile / 100 * len(values)), 1) - 1] / 1e6
        assert percentile_seconds(month.latency, percentile) == pytest.approx(exact, rel=0.01)
    assert percentile_seconds(month.lateness, 99) == pytest.approx(90e-6, rel=0.01)
    assert percentile_seconds(LoadPeriod(10, 0).latency, 99) is None


def one_period(span: int, start: int) -> tuple[object, ...]:
    made = LoadPeriod(span, start, whole_seconds=span, target=float(span), due=span)
    made.latency.record_value(5_000)
    return made.row()


def test_older_load_is_kept_in_longer_periods_and_at_last_removed(database: Database) -> None:
    history = HistorySettings(keep_load="100d", keep_load_days="110d")
    with database.writing():
        save_periods(database, [one_period(10, at) for at in range(0, 120 * DAY, 6 * HOUR)])
    roll_all(database, history, 120 * DAY)
    ages = {
        span: (120 - newest / DAY, 120 - oldest / DAY)
        for span, oldest, newest in database.execute(
            "SELECT span, MIN(started_at), MAX(started_at) FROM load_period GROUP BY span"
        )
    }
    assert ages == {
        10: (0.25, 0.25),
        MINUTE: (0.5, 7.0),
        600: (7.25, 90.0),
        HOUR: (90.25, 100.0),
        DAY: (101.0, 110.0),
    }
    assert sum(one.due for one in periods(database, 0, 10)) == 110 * 4 * 10
    assert len(periods(database, 119 * DAY, DAY)) == 1


def test_a_damaged_figure_is_told(database: Database) -> None:
    row = one_period(10, 0)
    database.insert("load_period", [(*row[:-2], b"no histogram", row[-1])])
    with pytest.raises(HistoryUnavailable, match=r"the load of 0 \(Unix seconds\) is damaged"):
        periods(database, 0, 10)


def test_the_load_of_a_year_takes_less_than_60_megabytes(tmp_path: Path, database: Database) -> None:
    """As many rows as there are after a year at 2,000/s; `benchmarks/history.py` writes them one after another."""
    chance = random.Random(4)  # noqa: S311 - a sample
    rows = []
    for span, count in ((10, 2_160), (MINUTE, 9_720), (600, 11_952), (HOUR, 6_600)):
        drawn = [full(span, chance) for _ in range(8)]
        rows += [(span, number * span, *drawn[number % 8][2:]) for number in range(count)]
    chance.shuffle(rows)
    with database.writing():
        database.insert("load_period", rows)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (tmp_path / "h.db").stat().st_size
    assert size < 60 * MIB, f"{size / MIB:.1f} MiB"


def full(span: int, chance: random.Random) -> tuple[object, ...]:
    """Return a period at 2,000/s, with a spread as a service has it."""
    made = LoadPeriod(span, 0, whole_seconds=span, target=2_000.0 * span, due=2_000 * span, succeeded=2_000 * span)
    middle = math.log(chance.uniform(3_000, 30_000))
    for _ in range(2_000):
        made.latency.record_value(int(chance.lognormvariate(middle, 0.7)), span)
        made.lateness.record_value(int(chance.lognormvariate(5, 0.5)), span)
    return made.row()
