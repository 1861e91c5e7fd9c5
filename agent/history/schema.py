"""The tables of the history, and how those of an earlier version become those of this one.

A new database goes the same way from the first version on, so every step is taken all the time. A step never changes
once it was released. Texts are written for SQLite; what PostgreSQL spells differently is changed in its file.
Rows of `load_period` and `kpi_run` may be nowhere else, and those of the outbox are nowhere else. All others can be
made again from the recordings and the journal.
"""

from __future__ import annotations

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history.connection import Database

_STEP_1 = """
CREATE TABLE recording (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL, run TEXT NOT NULL, problem TEXT NOT NULL
);
CREATE TABLE run (
  id TEXT PRIMARY KEY, drill TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL, time_scale REAL NOT NULL,
  exit_code INTEGER NOT NULL, aborted TEXT NOT NULL, entry TEXT, instant TEXT, alertdrill TEXT NOT NULL
);
CREATE INDEX run_by_time ON run (started_at);
CREATE TABLE verdict (
  run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, alert TEXT NOT NULL, labels TEXT NOT NULL, outcome TEXT NOT NULL,
  reason TEXT NOT NULL, expected INTEGER NOT NULL, fault_at REAL NOT NULL, pending_at REAL, firing_at REAL,
  notified_at REAL, resolved_at REAL, PRIMARY KEY (run, alert, labels)
);
CREATE TABLE expression (id TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE rule (
  run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, alert TEXT NOT NULL, severity TEXT NOT NULL,
  expression TEXT NOT NULL REFERENCES expression, PRIMARY KEY (alert, severity, run)
) WITHOUT ROWID;
CREATE TABLE proof (
  run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, alert TEXT NOT NULL, severity TEXT NOT NULL,
  expression TEXT NOT NULL REFERENCES expression, proven_at REAL NOT NULL, PRIMARY KEY (alert, severity, run)
) WITHOUT ROWID;
CREATE TABLE occurrence (
  entry TEXT NOT NULL, instant TEXT NOT NULL, starts_at TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
  why TEXT NOT NULL, at TEXT NOT NULL, verdicts TEXT NOT NULL, PRIMARY KEY (entry, instant)
) WITHOUT ROWID;
"""

# Rows have the name of their agent, verdicts their order and explanation, runs the alerts that their rules had at the
# start, and there are figures of the load and runs of `alertdrill kpi`. The recordings that are still there are read again, for what was not kept.
_STEP_2 = """
DROP INDEX run_by_time;
ALTER TABLE recording RENAME TO recording_1;
ALTER TABLE verdict RENAME TO verdict_1;
ALTER TABLE rule RENAME TO rule_1;
ALTER TABLE proof RENAME TO proof_1;
ALTER TABLE expression RENAME TO expression_1;
ALTER TABLE run RENAME TO run_1;
ALTER TABLE occurrence RENAME TO occurrence_1;
CREATE TABLE recording (
  agent TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL, run TEXT NOT NULL,
  problem TEXT NOT NULL, PRIMARY KEY (agent, path)
);
CREATE INDEX recording_by_run ON recording (agent, run);
CREATE TABLE run (
  agent TEXT NOT NULL, id TEXT NOT NULL, drill TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
  time_scale REAL NOT NULL, exit_code INTEGER NOT NULL, aborted TEXT NOT NULL, entry TEXT, instant TEXT,
  alertdrill TEXT NOT NULL, alerts TEXT NOT NULL, PRIMARY KEY (agent, id)
);
CREATE INDEX run_by_time ON run (agent, started_at);
CREATE TABLE verdict (
  agent TEXT NOT NULL, run TEXT NOT NULL, ordinal INTEGER NOT NULL, alert TEXT NOT NULL, labels TEXT NOT NULL,
  outcome TEXT NOT NULL, reason TEXT NOT NULL, explanation TEXT NOT NULL, expected INTEGER NOT NULL,
  fault_at REAL NOT NULL, pending_at REAL, firing_at REAL, notified_at REAL, resolved_at REAL,
  PRIMARY KEY (agent, run, ordinal), FOREIGN KEY (agent, run) REFERENCES run (agent, id) ON DELETE CASCADE
);
CREATE TABLE alert_set (agent TEXT NOT NULL, id TEXT NOT NULL, alerts TEXT NOT NULL, PRIMARY KEY (agent, id));
CREATE TABLE expression (agent TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (agent, id));
CREATE TABLE rule (
  agent TEXT NOT NULL, run TEXT NOT NULL, ordinal INTEGER NOT NULL, alert TEXT NOT NULL, severity TEXT NOT NULL,
  expression TEXT NOT NULL, PRIMARY KEY (agent, run, ordinal),
  FOREIGN KEY (agent, run) REFERENCES run (agent, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE proof (
  agent TEXT NOT NULL, run TEXT NOT NULL, ordinal INTEGER NOT NULL, alert TEXT NOT NULL, severity TEXT NOT NULL,
  expression TEXT NOT NULL, proven_at REAL NOT NULL, PRIMARY KEY (agent, run, ordinal),
  FOREIGN KEY (agent, run) REFERENCES run (agent, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE occurrence (
  agent TEXT NOT NULL, entry TEXT NOT NULL, instant TEXT NOT NULL, starts_at TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, why TEXT NOT NULL, at TEXT NOT NULL, verdicts TEXT NOT NULL,
  PRIMARY KEY (agent, entry, instant)
) WITHOUT ROWID;
CREATE TABLE load_period (
  agent TEXT NOT NULL, span INTEGER NOT NULL, started_at INTEGER NOT NULL, part INTEGER NOT NULL,
  whole_seconds INTEGER NOT NULL, target REAL NOT NULL, due INTEGER NOT NULL, succeeded INTEGER NOT NULL,
  failed INTEGER NOT NULL, dropped INTEGER NOT NULL, lost INTEGER NOT NULL, reasons TEXT NOT NULL,
  latency BLOB NOT NULL, lateness BLOB NOT NULL, PRIMARY KEY (agent, span, started_at, part)
);
CREATE TABLE kpi_run (
  agent TEXT NOT NULL, source TEXT NOT NULL, at REAL NOT NULL, window_seconds REAL NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (agent, source, at, window_seconds)
);
INSERT INTO recording SELECT ?, path, size, -1, run, problem FROM recording_1;
INSERT INTO run
  SELECT ?, id, drill, started_at, ended_at, time_scale, exit_code, aborted, entry, instant, alertdrill, '' FROM run_1;
INSERT INTO verdict
  SELECT ?, run, ROW_NUMBER() OVER (PARTITION BY run ORDER BY alert, labels) - 1, alert, labels, outcome, reason, reason,
    expected, fault_at, pending_at, firing_at, notified_at, resolved_at
  FROM verdict_1;
INSERT INTO expression SELECT ?, id, text FROM expression_1;
INSERT INTO rule
  SELECT ?, run, ROW_NUMBER() OVER (PARTITION BY run ORDER BY alert, severity) - 1, alert, severity, expression FROM rule_1;
INSERT INTO proof
  SELECT ?, run, ROW_NUMBER() OVER (PARTITION BY run ORDER BY alert, severity) - 1, alert, severity, expression, proven_at
  FROM proof_1;
INSERT INTO occurrence SELECT ?, entry, instant, starts_at, state, reason, why, at, verdicts FROM occurrence_1;
DROP TABLE recording_1;
DROP TABLE verdict_1;
DROP TABLE rule_1;
DROP TABLE proof_1;
DROP TABLE expression_1;
DROP TABLE run_1;
DROP TABLE occurrence_1;
"""

# What was told, and what has still to be told (outbox.py).
_STEP_3 = """
CREATE TABLE outbox (
  agent TEXT NOT NULL, id TEXT NOT NULL, target TEXT NOT NULL, content TEXT NOT NULL, made_at REAL NOT NULL,
  attempts INTEGER NOT NULL, next_at REAL NOT NULL, PRIMARY KEY (agent, id, target)
);
CREATE TABLE told (
  agent TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (agent, subject)
);
CREATE TABLE annotation (agent TEXT NOT NULL, id TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (agent, id));
"""

# What each recording proves, for the gate (gate/kept.py).
_STEP_4 = """
CREATE TABLE recording_proofs (
  agent TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL, problem TEXT NOT NULL,
  proofs TEXT NOT NULL, PRIMARY KEY (agent, path)
);
"""

_STEPS = (_STEP_1, _STEP_2, _STEP_3, _STEP_4)
VERSION = len(_STEPS)
# Made from the recordings and the journal; those with references come first.
INDEX_TABLES = (
    *("verdict", "rule", "proof", "run", "recording", "expression", "alert_set", "occurrence", "recording_proofs"),
)


def migrate(database: Database, shown: str, version: int = VERSION) -> None:
    """Bring the tables to this version, all at once or not at all; raises ConfigError if they are of a newer one.

    A test brings them to an earlier `version`, as an earlier alertdrill has made them.
    """
    if database.version == version:
        return
    with database.writing():
        database.wait_for_others()
        found = database.version
        if found > VERSION:
            raise ConfigError(
                f"{shown}: the history has schema {found}, this alertdrill knows schemas up to {VERSION}: use the newer"
                " alertdrill, or another database (history.url)"
            )
        if not found and (tables := database.tables()):
            raise ConfigError(
                f"{shown}: holds tables that are not of alertdrill ({', '.join(sorted(tables)[:3])}), expected an empty"
                " database (history.url)"
            )
        for step in _STEPS[found:version]:
            for statement in filter(None, map(str.strip, step.split(";"))):
                database.execute(statement, (database.agent,) * statement.count("?"))
        database.set_version(version)
