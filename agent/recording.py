"""Everything that a drill saw, in one file: what the judge works from, and nothing else.

The file is JSON, compressed with gzip; `version` is raised when a reader of before would misread it.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from pydantic import ValidationError

from agent.drill import Drill
from agent.errors import ConfigError
from agent.files import write_whole
from agent.records import (
    ActiveRecord,
    AlertmanagerRecord,
    AlertSamples,
    AuditRecord,
    FaultRecord,
    GroupRecord,
    LoadRecord,
    NotificationRecord,
    OutageRecord,
    Phase,
    PhaseRecord,
    PrometheusRecord,
    Record,
    RuleRecord,
    TargetRecord,
    WatchedRecord,
)

VERSION = 2


class Recording(Record):
    """One drill, from its first transaction to its last sample.

    `earlier` holds what fired from `earlier_since` to the drill's start: groups that Alertmanager may still know.
    """

    version: int = VERSION
    alertdrill: str
    drill: Drill
    time_scale: float
    started_at: float
    ended_at: float
    phases: list[PhaseRecord]
    faults: list[FaultRecord]
    load: LoadRecord
    prometheus: PrometheusRecord
    alertmanager: AlertmanagerRecord
    rules: list[RuleRecord]
    rules_at_end: list[RuleRecord] | None = None
    groups: list[GroupRecord] = []
    watched: list[WatchedRecord] = []
    targets: list[TargetRecord] = []
    active: list[ActiveRecord]
    alerts: list[AlertSamples]
    earlier: list[AlertSamples] = []
    earlier_since: float | None = None
    notifications: list[NotificationRecord]
    outages: list[OutageRecord]
    aborted: str = ""
    audit: AuditRecord | None = None

    def phase(self, name: Phase) -> PhaseRecord | None:
        """Find a phase, None when the drill did not come to it."""
        return next((phase for phase in self.phases if phase.phase == name), None)


def save(recording: Recording, path: Path) -> None:
    """Write a recording; raises OSError, with nothing left behind."""
    # A fixed time in gzip's header: equal recordings are equal files.
    write_whole(path, gzip.compress(recording.model_dump_json(by_alias=True).encode(), mtime=0))


def load(path: Path) -> Recording:
    """Read a recording; raises ConfigError with one line that says what is wrong with the file."""
    try:
        values = json.loads(gzip.decompress(path.read_bytes()))
    except OSError as error:
        reason = "is no recording (not gzip)" if isinstance(error, gzip.BadGzipFile) else "cannot be read"
        raise ConfigError(f"{path}: {reason}: {error.strerror or error}") from error
    except (EOFError, ValueError) as error:
        raise ConfigError(f"{path}: is no whole recording: {error}") from error
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        raise ConfigError(f"{path}: has version {version}, expected {VERSION}: use the alertdrill that wrote it")
    try:
        return Recording.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: is no recording: {where}: {first['msg']}") from error
