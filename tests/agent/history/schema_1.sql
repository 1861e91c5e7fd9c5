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
INSERT INTO run VALUES ('r1', 'slow-database', 1780000000.25, 1780000140.5, 1.0, 0, '', 'weekly', '2026-05-28T20:26:40Z', '0.1.0');
INSERT INTO run VALUES ('r2', 'slow-database', 1780600000.25, 1780600140.5, 1.0, 1, '', NULL, NULL, '0.1.0');
INSERT INTO recording VALUES ('gone.recording.json.gz', 4096, 1780000141000000000, 'r1', '');
INSERT INTO recording VALUES ('there.recording.json.gz', 4096, 1780600141000000000, 'r2', '');
INSERT INTO verdict VALUES ('r1', 'OrdersSlow', '{"severity": "page"}', 'passed', 'fired in time', 1, 1780000030.0, 1780000035.0, 1780000045.0, 1780000047.0, NULL);
INSERT INTO verdict VALUES ('r1', 'QueueGrows', '{}', 'unexpected', 'it fired', 0, 1780000030.0, NULL, 1780000050.0, NULL, NULL);
INSERT INTO verdict VALUES ('r2', 'OrdersSlow', '{"severity": "page"}', 'missed', 'never fired', 1, 1780600030.0, NULL, NULL, NULL, NULL);
INSERT INTO expression VALUES ('e1', 'orders:p95_seconds > 0.5');
INSERT INTO rule VALUES ('r1', 'OrdersSlow', 'page', 'e1');
INSERT INTO rule VALUES ('r2', 'OrdersSlow', 'page', 'e1');
INSERT INTO proof VALUES ('r1', 'OrdersSlow', 'page', 'e1', 1780000000.25);
INSERT INTO occurrence VALUES ('weekly', '2026-05-28T20:26:40Z', '2026-05-28T20:26:40Z', 'done', '', '', '2026-05-28T20:30:00Z', '[["slow-database", 0]]');
