"""What pages read of the history: the right verdicts, with a few statements however many runs there are."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.connection import Database
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.reading import LastVerdict, last_verdicts, newest_runs
from alertdrill.agent.history.sqlite import SqliteDatabase
from alertdrill.agent.history.tracks import tracks


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(HistorySettings(), tmp_path) as database:
        yield database


def keep_run(database: Database, run: str, at: float, *verdicts: tuple[str, str], scale: float = 1.0) -> None:
    """Keep a run with an alert and an outcome of each verdict."""
    database.insert("run", [(run, "slow", at, at + 1, scale, 0, "", None, None, "1.0", "")])
    rows = [
        (run, place, alert, "{}", outcome, f"of {run}", "", outcome != "unexpected", at, None, None, None, None)
        for place, (alert, outcome) in enumerate(verdicts)
    ]
    # Rows need not be stored in their order.
    database.insert("verdict", rows[::-1])


@pytest.mark.parametrize(
    "read",
    [lambda database: newest_runs(database, "", (math.inf, ""), 500), lambda database: last_verdicts(database, 1.0)],
)
def test_many_runs_are_read_with_as_many_statements_as_two(
    tmp_path: Path, database: Database, read: Callable[[Database], object]
) -> None:
    def statements() -> int:
        executed: list[str] = []
        path = HistorySettings().file(tmp_path)
        with closing(sqlite3.connect(path)) as connection:
            connection.set_trace_callback(executed.append)
            read(SqliteDatabase(database.agent, path, connection))
        return len(executed)

    for number in range(2):
        keep_run(database, f"{number}", number, (f"A{number}", "passed"))
    of_two = statements()
    for number in range(2, 200):
        keep_run(database, f"{number}", number, (f"A{number}", "passed"))
    assert (of_two, statements()) == (of_two, of_two)
    assert of_two > 0


def test_each_run_has_its_own_verdicts_in_their_order(database: Database) -> None:
    keep_run(database, "a", 1.0, ("Slow", "passed"), ("Down", "missed"), ("Slow", "late"))
    keep_run(database, "b", 2.0)
    keep_run(database, "c", 2.0, ("Down", "passed"))
    found = newest_runs(database, "", (math.inf, ""), 9)
    assert [(row.id, [(one.alert, one.outcome) for one in found.verdicts[row.id]]) for row in found.rows] == [
        ("c", [("Down", "passed")]),
        ("b", []),
        ("a", [("Slow", "passed"), ("Down", "missed"), ("Slow", "late")]),
    ]
    assert [row.id for row in newest_runs(database, "", (2.0, "c"), 9).rows] == ["b", "a"]
    assert [row.id for row in newest_runs(database, "", (2.0, "b"), 9).rows] == ["a"]
    assert newest_runs(database, "", (1.0, "a"), 9).rows == []


def test_the_last_verdict_is_the_first_expected_one_of_the_newest_run(database: Database) -> None:
    keep_run(database, "z", 1.0, ("Slow", "passed"), ("Down", "passed"))
    keep_run(database, "a", 2.0, ("Slow", "late"))
    keep_run(database, "b", 2.0, ("Slow", "unexpected"), ("Slow", "missed"), ("Slow", "passed"))
    keep_run(database, "c", 3.0, ("Slow", "unexpected"))
    keep_run(database, "d", 4.0, ("Slow", "passed"), scale=30.0)
    assert last_verdicts(database, 1.0) == {
        "Slow": LastVerdict("missed", "of b", "b", "slow", 2.0),
        "Down": LastVerdict("passed", "of z", "z", "slow", 1.0),
    }


def test_an_alert_that_fired_before_the_fault_has_no_detection_time(database: Database) -> None:
    for run, fault_at, firing_at in (("a", 10.0, 9.7), ("b", 20.0, 24.5)):
        keep_run(database, run, fault_at)
        verdict = (run, 0, "Slow", "{}", "passed", "", "", True, fault_at, None, firing_at, None, None)
        database.insert("verdict", [verdict])
    (track,) = tracks(database, 1.0)["Slow"]
    assert [one.detected_seconds for one in track.runs] == [None, 4.5]
