"""Reads pages of runs, and the last verdict of each alert, for those who show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from alertdrill.agent.history.connection import Database, storable


class RunRow(NamedTuple):
    """One run; instants are Unix seconds, `instant` is that of its occurrence as text in UTC."""

    id: str
    drill: str
    started_at: float
    ended_at: float
    exit_code: int
    aborted: str
    entry: str | None
    instant: str | None
    time_scale: float


class VerdictRow(NamedTuple):
    """One verdict of a run; `labels` is JSON, instants are Unix seconds."""

    run: str
    alert: str
    labels: str
    outcome: str
    reason: str
    explanation: str
    expected: bool
    fault_at: float
    pending_at: float | None
    firing_at: float | None
    notified_at: float | None
    resolved_at: float | None


@dataclass(frozen=True)
class Runs:
    """Runs, the newest first, with the verdicts of each by its id."""

    rows: list[RunRow]
    verdicts: dict[str, list[VerdictRow]]


_RUN = "SELECT id, drill, started_at, ended_at, exit_code, aborted, entry, instant, time_scale FROM run WHERE agent = ?"
_NEWEST = """
AND (? = '' OR drill = ?) AND started_at <= ? AND (started_at < ? OR id < ?) ORDER BY started_at DESC, id DESC LIMIT ?
"""
_BEFORE = """
AND (drill, time_scale) = (SELECT drill, time_scale FROM run AS this WHERE this.agent = run.agent AND this.id = ?)
AND (started_at, id) < (SELECT started_at, id FROM run AS this WHERE this.agent = run.agent AND this.id = ?)
ORDER BY started_at DESC, id DESC LIMIT 1
"""
_VERDICTS = """
SELECT run, alert, labels, outcome, reason, explanation, expected, fault_at, pending_at, firing_at, notified_at, resolved_at
FROM verdict WHERE agent = ? AND run IN ({}) ORDER BY run, ordinal
"""
# All verdicts are looked at for their instants alone, and only the newest are read whole: SQLite takes the tables of a
# cross join in their order.
_LAST = """
WITH newest AS (
  SELECT verdict.alert, MAX(run.started_at) AS at
  FROM verdict JOIN run ON run.agent = verdict.agent AND run.id = verdict.run
  WHERE verdict.expected = 1 AND run.agent = ? AND run.time_scale = ? GROUP BY verdict.alert
)
SELECT verdict.alert, verdict.outcome, verdict.reason, run.id, run.drill, run.started_at
FROM newest CROSS JOIN run CROSS JOIN verdict
WHERE run.agent = ? AND run.time_scale = ? AND run.started_at = newest.at
  AND verdict.agent = run.agent AND verdict.run = run.id AND verdict.alert = newest.alert AND verdict.expected = 1
ORDER BY run.id, verdict.ordinal DESC
"""


def newest_runs(database: Database, drill: str, before: tuple[float, str], most: int, since: float = 0.0) -> Runs:
    """Return runs that began before another one (its start and its id); `drill` may be empty for all.

    Of these, those that ended before `since` are left out.
    """
    started_at, run = before
    query = f"SELECT * FROM ({_RUN} {_NEWEST}) AS newest WHERE ended_at >= ? ORDER BY started_at DESC, id DESC"  # noqa: S608 - our own names
    return _found(database, query, (drill, drill, started_at, started_at, run, most, since))


def run_of(database: Database, run: str) -> Runs:
    """Return one run, or none."""
    return _found(database, f"{_RUN} AND id = ?", (run,))


def run_before(database: Database, run: str) -> Runs:
    """Return the newest run before another one that can be compared with it: same drill, same time scale; or none."""
    return _found(database, f"{_RUN} {_BEFORE}", (run, run))


def runs_of_occurrence(database: Database, entry: str, instant: str) -> Runs:
    """Return the runs of an occurrence of the schedule, or of a call."""
    return _found(database, f"{_RUN} AND entry = ? AND instant = ? ORDER BY started_at", (entry, instant))


def _found(database: Database, query: str, values: tuple[object, ...]) -> Runs:
    rows = [RunRow(*row) for row in database.execute(query, (database.agent, *map(storable, values)))]
    verdicts: dict[str, list[VerdictRow]] = {row.id: [] for row in rows}
    if rows:
        of_runs = _VERDICTS.format(", ".join("?" * len(verdicts)))
        for found in database.execute(of_runs, (database.agent, *verdicts)):
            one = VerdictRow(*found)
            verdicts[one.run].append(one)
    return Runs(rows, verdicts)


@dataclass(frozen=True)
class LastVerdict:
    """The newest verdict on an alert that a drill expected."""

    outcome: str
    reason: str
    run: str
    drill: str
    started_at: float


def last_verdicts(database: Database, time_scale: float) -> dict[str, LastVerdict]:
    """Return the newest verdict on each alert, by its name; of runs that began at once, that of the greatest id."""
    mine = (database.agent, time_scale)
    # Of several verdicts, the last row stays.
    return {alert: LastVerdict(*found) for alert, *found in database.execute(_LAST, mine * 2)}
