"""Makes the rows of the history from recordings and from the journal of occurrences.

A run is known by the SHA-256 of its recording's values, so a copy of a recording is no second run. A proof belongs to
the expression that the rule had: when the newest run saw another expression, the alert is no longer proven.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history.connection import Database, storable
from alertdrill.agent.history.schema import INDEX_TABLES
from alertdrill.agent.recording.recording import SUFFIX, Recording, read_recording
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.labels import has, may_be_of
from alertdrill.agent.schedule.choice import EarlierDrills
from alertdrill.agent.schedule.journal import Journal, OccurrenceRecord
from alertdrill.agent.verdict.verdict import VerdictOutcome
from alertdrill.units import json_text

if TYPE_CHECKING:
    from alertdrill.agent.verdict.verdict import Judgement

_Row = tuple[object, ...]
_MOST_ALERTS = 100_000
# A server answers each statement: many rows at once, and within its time limit.
_AT_ONCE = 100


@dataclass(frozen=True)
class IndexedRun:
    """The rows of one recording, by table."""

    id: str
    rows: dict[str, list[_Row]]


def indexed(recording: Recording, judgement: Judgement) -> IndexedRun:
    """Make the rows of a recording."""
    run = hashlib.sha256(recording.model_dump_json(by_alias=True).encode()).hexdigest()[:32]
    scheduled = recording.scheduled
    # A rule that was changed during the drill has another expression at its end.
    rules, fired = _expressions(recording.rules_at_end or recording.rules), _expressions(recording.rules)
    proofs = set(proven_rules(recording, judgement))
    alerts = json.dumps(sorted({rule.alert for rule in recording.rules}))
    rows: dict[str, list[_Row]] = {
        "run": [
            (
                *(run, recording.drill.name, recording.started_at, recording.ended_at, recording.time_scale),
                *(judgement.exit_code, recording.aborted),
                *((None, None) if scheduled is None else (scheduled.entry, scheduled.instant)),
                *(recording.alertdrill, _id(alerts)),
            )
        ],
        "alert_set": [(_id(alerts), alerts)],
        "verdict": [_verdict(run, place, recording, judgement) for place in range(len(judgement.verdicts))],
        "expression": [(_id(text), text) for text in sorted({*rules.values(), *fired.values()})],
        "rule": [(run, place, *of_alert, _id(text)) for place, (of_alert, text) in enumerate(rules.items())],
        "proof": [
            (run, place, *of_alert, _id(fired[of_alert]), recording.started_at)
            for place, of_alert in enumerate(sorted(proofs))
        ],
    }
    return IndexedRun(run, rows)


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _severity(rule: RuleRecord) -> str:
    return rule.labels.get("severity", "")


def _expressions(rules: Iterable[RuleRecord]) -> dict[tuple[str, str], str]:
    """Return expressions by alert and severity; several rules of one alert have them one after another."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for rule in rules:
        found[rule.alert, _severity(rule)].add(rule.expr)
    return {of_alert: "\n".join(sorted(texts)) for of_alert, texts in sorted(found.items())}


def proven_rules(recording: Recording, judgement: Judgement) -> Iterator[tuple[str, str]]:
    """Yield the alert and the severity of each rule that fired and passed."""
    fired = [
        one.labels
        for one in recording.alerts
        if one.state == "firing" and any(at >= recording.started_at for at in one.instants)
    ]
    for verdict in judgement.verdicts:
        if verdict.outcome.value == "passed":
            labels = {"alertname": verdict.alert} | verdict.labels
            mine = [one for one in fired if has(one, labels)]
            for rule in recording.rules:
                if any(may_be_of(one, rule) for one in mine):
                    yield rule.alert, _severity(rule)


def _verdict(run: str, place: int, recording: Recording, judgement: Judgement) -> _Row:
    verdict = judgement.verdicts[place]
    expected = any(one.alert == verdict.alert for one in recording.drill.expect)
    at = {one.name: one.at for one in verdict.milestones}
    return (
        *(run, place, verdict.alert, json.dumps(verdict.labels, sort_keys=True), verdict.outcome.value),
        *(verdict.reason, verdict.explanation, expected, judgement.fault_at),
        *(at.get(name) for name in ("pending", "firing", "notified", "resolved")),
    )


def save_runs(database: Database, *runs: IndexedRun) -> None:
    """Write the rows of runs, unless they are there."""
    for table in runs[0].rows if runs else ():
        database.insert(table, [row for run in runs for row in run.rows[table]])


def save_occurrences(database: Database, records: Iterable[OccurrenceRecord]) -> None:
    """Write what became of occurrences; the newest state holds."""
    rows: list[_Row] = [
        (one.entry, one.instant, one.starts_at, one.state, one.reason, one.why, one.at, json.dumps(one.verdicts))
        for one in records
    ]
    database.replace("occurrence", ("entry", "instant"), rows)


@dataclass(frozen=True)
class Indexed:
    """What was read: the number of recordings and of occurrences, and a line for each recording that cannot be read."""

    recordings: int
    occurrences: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class RecordingFile:
    """A recording on the disk; `row` changes with it: its path from the folder, its size, and when it was changed."""

    path: Path
    row: tuple[str, int, int]


def recording_files(folder: Path) -> Iterator[RecordingFile]:
    """Find the recordings below a folder, in the order of their paths."""
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            status = path.stat()
        except OSError:
            continue  # deleted meanwhile
        name = str(storable(str(path.relative_to(folder))))
        yield RecordingFile(path, (name, status.st_size, status.st_mtime_ns))


def rebuild(database: Database, folder: Path) -> Indexed:
    """Make everything anew from the recordings below a folder, and from its journal.

    A reader sees the old rows until all the new ones are there. Raises ConfigError when the journal cannot be read.
    """
    return _add(database, folder, {}, read_run, anew=True)


def read_run(path: Path) -> IndexedRun | str:
    """Return the rows of a recording, or what is wrong with it."""
    # The daemon would keep its modules in memory.
    from alertdrill.agent.verdict.judge import judge

    try:
        recording = read_recording(path)
    except ConfigError as error:
        return str(error)
    return indexed(recording, judge(recording))


def catch_up(database: Database, folder: Path, read: Callable[[Path], IndexedRun | str] = read_run) -> Indexed:
    """Add what is missing: recordings that are new or were changed, and all of the journal; raises ConfigError.

    `read` reads a recording.
    """
    found = database.execute("SELECT path, size, changed_ns, run FROM recording WHERE agent = ?", (database.agent,))
    return _add(database, folder, {(path, size, changed): run for path, size, changed, run in found}, read)


_Known = dict[tuple[str, int, int], str]
"""The run of each recording that was read, by what tells whether its file was changed; empty if it could not be read."""


def _add(
    database: Database,
    folder: Path,
    known: _Known,
    read_one: Callable[[Path], IndexedRun | str],
    *,
    anew: bool = False,
) -> Indexed:
    """Add the recordings that are not known, and all of the journal; `anew` also removes what is there."""
    records, files = list(Journal(folder).records.values()), list(recording_files(folder))
    read = [(file, read_one(file.path)) for file in files if file.row not in known]
    with database.writing():
        if anew:
            for table in INDEX_TABLES:
                database.execute(f"DELETE FROM {table} WHERE agent = ?", (database.agent,))  # noqa: S608 - our own names
        else:
            _forget(database, known, {file.row for file in files})
        for begin in range(0, len(read), _AT_ONCE):
            _save(database, read[begin : begin + _AT_ONCE])
        save_occurrences(database, records)
    problems = [found for _, found in read if isinstance(found, str)]
    return Indexed(len(read) - len(problems), len(records), tuple(problems))


_UNUSED = (
    """
    DELETE FROM expression WHERE agent = ?
      AND NOT EXISTS (SELECT 1 FROM rule WHERE rule.agent = expression.agent AND rule.expression = expression.id)
      AND NOT EXISTS (SELECT 1 FROM proof WHERE proof.agent = expression.agent AND proof.expression = expression.id)
    """,
    """
    DELETE FROM alert_set WHERE agent = ?
      AND NOT EXISTS (SELECT 1 FROM run WHERE run.agent = alert_set.agent AND run.alerts = alert_set.id)
    """,
)


def _forget(database: Database, known: _Known, files: set[tuple[str, int, int]]) -> None:
    """Remove the run of a recording that was replaced, unless another file has it, and files that told nothing and are gone.

    The run of a recording that was deleted stays.
    """
    there = {row[0] for row in files}
    gone = [(row[0], run) for row, run in known.items() if row not in files and (row[0] in there or not run)]
    for path, run in gone:
        database.execute("DELETE FROM recording WHERE agent = ? AND path = ?", (database.agent, path))
        mine = (database.agent, run)
        if not database.execute("SELECT path FROM recording WHERE agent = ? AND run = ?", mine):
            database.execute("DELETE FROM run WHERE agent = ? AND id = ?", mine)
    if gone:
        for unused in _UNUSED:
            database.execute(unused, (database.agent,))


def _save(database: Database, read: list[tuple[RecordingFile, IndexedRun | str]]) -> None:
    save_runs(database, *(found for _, found in read if not isinstance(found, str)))
    rows = [(*file.row, *(("", found) if isinstance(found, str) else (found.id, ""))) for file, found in read]
    database.replace("recording", ("path",), rows)


@dataclass(frozen=True)
class Proof:
    """An alert of one severity: when it was proven last with the expression that it has now, and in which drill.

    `voided_at` is the instant of a later proof with another expression (all instants are Unix seconds).
    """

    alert: str
    severity: str
    seen_at: float
    proven_at: float | None
    drill: str | None
    voided_at: float | None


_PROOFS = """
WITH seen AS (
  SELECT rule.alert, rule.severity, rule.expression, run.started_at,
    ROW_NUMBER() OVER (PARTITION BY rule.alert, rule.severity ORDER BY run.started_at DESC, run.id) AS newest
  FROM rule JOIN run ON run.agent = rule.agent AND run.id = rule.run WHERE run.agent = ? AND run.time_scale = ?
), proven AS (
  SELECT proof.alert, proof.severity, proof.expression, proof.proven_at, run.drill,
    ROW_NUMBER() OVER (
      PARTITION BY proof.alert, proof.severity, proof.expression ORDER BY proof.proven_at DESC, run.id
    ) AS newest
  FROM proof JOIN run ON run.agent = proof.agent AND run.id = proof.run WHERE run.agent = ? AND run.time_scale = ?
)
SELECT seen.alert, seen.severity, seen.started_at, same.proven_at, same.drill,
  (SELECT MAX(other.proven_at) FROM proven AS other WHERE other.newest = 1 AND other.alert = seen.alert
    AND other.severity = seen.severity AND other.expression <> seen.expression)
FROM seen LEFT JOIN proven AS same
  ON same.alert = seen.alert AND same.severity = seen.severity AND same.expression = seen.expression AND same.newest = 1
WHERE seen.newest = 1
"""


def proofs(database: Database, time_scale: float = 1.0) -> list[Proof]:
    """List every alert that a run saw, with its last proof.

    Only runs of one time scale count: a lab with short ranges has other expressions.
    """
    mine = (database.agent, time_scale)
    # Servers sort texts each in their own way.
    found = sorted(
        (Proof(*row) for row in database.execute(_PROOFS, mine * 2)), key=lambda one: (one.alert, one.severity)
    )
    return [
        one if one.voided_at is not None and one.voided_at > (one.proven_at or 0.0) else _valid(one) for one in found
    ]


def _valid(one: Proof) -> Proof:
    return Proof(one.alert, one.severity, one.seen_at, one.proven_at, one.drill, None)


def memory(database: Database, time_scale: float = 1.0) -> EarlierDrills:
    """Return what the schedule needs to know of earlier drills."""
    proven: dict[str, dict[str, datetime]] = defaultdict(dict)
    for one in proofs(database, time_scale):
        if one.proven_at is not None:
            proven[one.alert][one.severity] = datetime.fromtimestamp(one.proven_at, UTC)
    ran = database.execute(
        "SELECT drill, MAX(started_at) FROM run WHERE agent = ? AND time_scale = ? GROUP BY drill",
        (database.agent, time_scale),
    )
    return EarlierDrills(dict(proven), {drill: datetime.fromtimestamp(at, UTC) for drill, at in ran})


@dataclass(frozen=True)
class Latest:
    """The last conclusive verdict on an alert that a drill expects; of several label sets, one that did not pass."""

    alert: str
    drill: str
    run: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class HistorySummary:
    """What the history says of all runs of one time scale, for metrics and notifications; instants are Unix seconds.

    `verdicts` has the last verdict of each alert, with the seconds from the fault to each of its steps.
    `runs` counts by drill and exit code, `occurrences` by entry, state and reason. `unexpected` has for each drill the
    alerts that fired in its last conclusive run and should not have; `inconclusive` how many runs were so since then.
    """

    proofs: tuple[Proof, ...] = ()
    verdicts: tuple[tuple[str, str, dict[str, float]], ...] = ()
    runs: tuple[tuple[str, int, int], ...] = ()
    occurrences: tuple[tuple[str, str, str, int], ...] = ()
    latest: tuple[Latest, ...] = ()
    unexpected: tuple[tuple[str, tuple[str, ...]], ...] = ()
    inconclusive: tuple[tuple[str, int], ...] = ()


_LAST_VERDICTS = """
SELECT alert, outcome, fault_at, pending_at, firing_at, notified_at, resolved_at FROM (
  SELECT verdict.*,
    ROW_NUMBER() OVER (PARTITION BY verdict.alert ORDER BY run.started_at DESC, run.id, verdict.ordinal) AS newest
  FROM verdict JOIN run ON run.agent = verdict.agent AND run.id = verdict.run
  WHERE verdict.expected = 1 AND run.agent = ? AND run.time_scale = ?
) AS expected_ones WHERE newest = 1
"""
_LATEST = """
SELECT alert, drill, run, outcome, reason FROM (
  SELECT verdict.alert, run.drill, verdict.run, verdict.outcome, verdict.reason,
    ROW_NUMBER() OVER (PARTITION BY verdict.alert, run.drill ORDER BY run.started_at DESC, run.id,
      CASE WHEN verdict.outcome = 'passed' THEN 1 ELSE 0 END, verdict.ordinal) AS newest
  FROM verdict JOIN run ON run.agent = verdict.agent AND run.id = verdict.run
  WHERE verdict.expected = 1 AND verdict.outcome <> 'inconclusive' AND run.agent = ? AND run.time_scale = ?
) AS conclusive WHERE newest = 1
"""
_UNEXPECTED = """
SELECT conclusive.drill, verdict.alert FROM (
  SELECT run.agent, run.id, run.drill,
    ROW_NUMBER() OVER (PARTITION BY run.drill ORDER BY run.started_at DESC, run.id) AS newest
  FROM run WHERE run.exit_code <> 3 AND run.agent = ? AND run.time_scale = ?
) AS conclusive LEFT JOIN verdict
  ON verdict.agent = conclusive.agent AND verdict.run = conclusive.id AND verdict.outcome = 'unexpected'
WHERE conclusive.newest = 1
"""
_INCONCLUSIVE = """
WITH conclusive AS (
  SELECT drill, MAX(started_at) AS at FROM run WHERE exit_code <> 3 AND agent = ? AND time_scale = ? GROUP BY drill
)
SELECT run.drill, COUNT(CASE WHEN conclusive.at IS NULL OR run.started_at > conclusive.at THEN 1 END)
FROM run LEFT JOIN conclusive ON conclusive.drill = run.drill
WHERE run.agent = ? AND run.time_scale = ? GROUP BY run.drill
"""
_STEPS = ("pending", "firing", "notified", "resolved")


def standing(database: Database, time_scale: float = 1.0) -> HistorySummary:
    """Return what metrics and notifications show of the history."""
    mine = (database.agent, time_scale)
    verdicts = [
        (alert, outcome, {step: at - fault_at for step, at in zip(_STEPS, found, strict=True) if at is not None})
        for alert, outcome, fault_at, *found in sorted(database.execute(_LAST_VERDICTS, mine), key=lambda row: row[0])
    ]
    runs = database.execute(
        "SELECT drill, exit_code, COUNT(*) FROM run WHERE agent = ? AND time_scale = ? GROUP BY drill, exit_code", mine
    )
    occurrences = database.execute(
        "SELECT entry, state, reason, COUNT(*) FROM occurrence WHERE agent = ? GROUP BY entry, state, reason", mine[:1]
    )
    return HistorySummary(
        tuple(proofs(database, time_scale)),
        tuple(verdicts),
        tuple(sorted(runs)),
        tuple(sorted(occurrences)),
        tuple(Latest(*row) for row in sorted(database.execute(_LATEST, mine))),
        _unexpected(database, time_scale),
        tuple(sorted((drill, count) for drill, count in database.execute(_INCONCLUSIVE, mine * 2))),
    )


def _unexpected(database: Database, time_scale: float) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[str, set[str]] = defaultdict(set)
    for drill, alert in database.execute(_UNEXPECTED, (database.agent, time_scale)):
        found[drill] |= set() if alert is None else {alert}
    return tuple((drill, tuple(sorted(alerts))) for drill, alerts in sorted(found.items()))


@dataclass(frozen=True)
class IndexedVerdict:
    """A verdict as a review needs it; instants are Unix seconds."""

    alert: str
    outcome: VerdictOutcome
    explanation: str
    is_expected: bool
    fault_at: float
    firing_at: float | None


@dataclass(frozen=True)
class ReviewedRun:
    """A run as a review needs it, with its verdicts in order, and the alerts of its rules at the start."""

    drill: str
    started_at: float
    time_scale: float
    exit_code: int
    alerts: frozenset[str]
    verdicts: tuple[IndexedVerdict, ...]


_REVIEWED = """
SELECT recording.path, run.id, run.drill, run.started_at, run.time_scale, run.exit_code, run.alerts
FROM recording JOIN run ON run.agent = recording.agent AND run.id = recording.run
WHERE run.agent = ? AND run.started_at >= ?
"""
_REVIEWED_VERDICTS = """
SELECT verdict.run, verdict.ordinal, verdict.alert, verdict.outcome, verdict.explanation, verdict.expected,
  verdict.fault_at, verdict.firing_at
FROM verdict JOIN run ON run.agent = verdict.agent AND run.id = verdict.run
WHERE run.agent = ? AND run.started_at >= ?
"""


def reviewed(database: Database, since: float | None) -> list[ReviewedRun]:
    """List the runs since an instant, or all; the copies of a recording count as often as they are there."""
    mine = (database.agent, 0.0 if since is None else since)
    verdicts: dict[str, list[IndexedVerdict]] = defaultdict(list)
    for run, _, alert, outcome, why, expected, *at in sorted(
        database.execute(_REVIEWED_VERDICTS, mine), key=lambda row: row[:2]
    ):
        verdicts[run].append(IndexedVerdict(alert, VerdictOutcome(outcome), why, bool(expected), *at))
    sets = {
        id_: frozenset(map(str, json_text.parse(alerts.encode(), _MOST_ALERTS)))
        for id_, alerts in database.execute("SELECT id, alerts FROM alert_set WHERE agent = ?", mine[:1])
    }
    return [
        ReviewedRun(drill, at, scale, code, sets.get(alerts, frozenset()), tuple(verdicts[run]))
        for _, run, drill, at, scale, code, alerts in sorted(
            database.execute(_REVIEWED, mine), key=lambda row: Path(row[0])
        )
    ]


def unreadable(database: Database) -> list[tuple[str, str]]:
    """List the recordings that could not be read: path below the folder, and what is wrong."""
    query = "SELECT path, problem FROM recording WHERE agent = ? AND problem <> ''"
    return sorted(((path, problem) for path, problem in database.execute(query, (database.agent,))), key=_by_path)


def _by_path(row: tuple[str, str]) -> Path:
    return Path(row[0])


def recording_of(database: Database, name: str) -> str | None:
    """Return the recording (below the folder) of the newest run of a drill, or of the run whose id begins so."""
    query = """
        SELECT recording.path FROM recording JOIN run ON run.agent = recording.agent AND run.id = recording.run
        WHERE run.agent = ? AND (run.drill = ? OR substr(run.id, 1, ?) = ?)
        ORDER BY run.started_at DESC, recording.path LIMIT 1"""
    found = database.execute(query, (database.agent, name, len(name), name))
    return str(found[0][0]) if found and name else None


@dataclass(frozen=True)
class KpiRunText:
    """A run of `alertdrill kpi`: its instant (Unix seconds), its window, and its line of JSON."""

    at: float
    window_seconds: float
    text: str


def kept_kpi_runs(database: Database, source: str, known: Iterable[KpiRunText]) -> list[KpiRunText]:
    """Add runs, unless they are there, and list all those of a file of that name, by time."""
    with database.writing():
        database.insert("kpi_run", [(source, one.at, one.window_seconds, one.text) for one in known])
    query = "SELECT at, window_seconds, text FROM kpi_run WHERE agent = ? AND source = ?"
    return [KpiRunText(*row) for row in sorted(database.execute(query, (database.agent, source)))]
