"""Reads how each alert did in each drill, run by run, for those who show it as a wall."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from alertdrill.agent.history.connection import Database

_MOST_RUNS = 24


class TrackRun(NamedTuple):
    """One run; `detected_seconds` is the time from the fault to firing, None where the alert did not fire after it."""

    alert: str
    drill: str
    run: str
    outcome: str
    detected_seconds: float | None


@dataclass(frozen=True)
class AlertTrack:
    """The newest runs of one alert in one drill, the oldest first."""

    drill: str
    runs: tuple[TrackRun, ...]

    @property
    def last(self) -> TrackRun:
        """The newest run."""
        return self.runs[-1]


_TRACKS = """
SELECT alert, drill, run, outcome, detected FROM (
  SELECT verdict.alert, run.drill, verdict.run, verdict.outcome, run.started_at,
    CASE WHEN verdict.firing_at >= verdict.fault_at THEN verdict.firing_at - verdict.fault_at END AS detected,
    ROW_NUMBER() OVER (PARTITION BY verdict.alert, run.drill ORDER BY run.started_at DESC, run.id) AS place
  FROM verdict JOIN run ON run.agent = verdict.agent AND run.id = verdict.run
  WHERE verdict.expected = 1 AND run.agent = ? AND run.time_scale = ?
) AS newest WHERE place <= ? ORDER BY alert, drill, place DESC
"""


def tracks(database: Database, time_scale: float) -> dict[str, list[AlertTrack]]:
    """Return by alert the newest runs of each drill that expects it, at one time scale."""
    rows = [TrackRun(*row) for row in database.execute(_TRACKS, (database.agent, time_scale, _MOST_RUNS))]
    found: dict[str, list[AlertTrack]] = defaultdict(list)
    for (alert, drill), runs in groupby(rows, key=lambda row: (row.alert, row.drill)):
        found[alert].append(AlertTrack(drill, tuple(runs)))
    return dict(found)
