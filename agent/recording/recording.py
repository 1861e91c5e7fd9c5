"""Everything that a drill saw, in one file: what the judge works from, and nothing else.

The file is JSON, compressed with gzip; `version` is raised when a reader of before would misread it.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.recording.records import (
    ActiveRecord,
    AlertmanagerRecord,
    AlertSamples,
    AuditRecord,
    FaultRecord,
    GroupRecord,
    Instant,
    KpiRecord,
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
SUFFIX = ".recording.json.gz"
"""The end of each recording's file name."""
_STAMP = "%Y%m%dT%H%M%SZ"
# Nothing of a drill lies farther than this from it.
_LONGEST_SECONDS = 31 * 86_400.0


class Recording(Record):
    """One drill, from its first transaction to its last sample.

    `earlier` holds what fired from `earlier_since` to the drill's start: groups that Alertmanager may still know.
    `dashboards` are the URLs of the dashboards that show what each alert is about.
    """

    version: int = VERSION
    alertdrill: str
    drill: Drill
    time_scale: float = Field(gt=0)
    started_at: Instant = Field(lt=253_402_300_799)
    ended_at: Instant
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
    earlier_since: Instant | None = None
    notifications: list[NotificationRecord]
    outages: list[OutageRecord]
    aborted: str = ""
    audit: AuditRecord | None = None
    kpis: list[KpiRecord] = []
    dashboards: dict[str, str] = {}

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    def phase(self, name: Phase) -> PhaseRecord | None:
        """Find a phase, None when the drill did not come to it."""
        return next((phase for phase in self.phases if phase.phase == name), None)


def _problems(recording: Recording) -> Iterator[str]:
    """Say what contradicts itself, which nothing that was recorded does."""
    if not 0 <= recording.ended_at - recording.started_at <= _LONGEST_SECONDS:
        yield "ended_at is before started_at, or more than a month after it"
    expected = {expectation.alert for expectation in recording.drill.expect}
    for rule in recording.rules:
        if rule.alert in expected and not rule.interval_seconds:
            yield f"the rule {rule.alert} has an interval of 0 s"
    for record in recording.watched:
        grids = [(record.first_at, record.count, record.interval_seconds)]
        if record.between is not None:
            grids.append((record.between.first_at, record.between.count, record.between.step_seconds))
        for first, count, step in grids:
            if (
                first < recording.started_at - _LONGEST_SECONDS
                or first + (count - 1) * step > recording.ended_at + step
            ):
                yield f"the evaluations of {record.alert} do not lie within the drill"


def write_recording(recording: Recording, path: Path) -> None:
    """Write a recording; raises OSError, with nothing left behind."""
    # A fixed time in gzip's header: equal recordings are equal files.
    write_whole(path, gzip.compress(recording.model_dump_json(by_alias=True).encode(), mtime=0))


def read_recording(path: Path) -> Recording:
    """Read a recording; raises ConfigError with one line that says what is wrong with the file."""
    try:
        values = _parsed(gzip.decompress(path.read_bytes()))
    except gzip.BadGzipFile as error:
        raise ConfigError(f"{path}: is no recording, or a damaged one: {_one_line(error)}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (EOFError, ValueError, zlib.error, RecursionError) as error:
        raise ConfigError(f"{path}: is no whole recording: {_one_line(error)}") from error
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        told = "no version" if version is None else f"version {json.dumps(version)}"
        raise ConfigError(f"{path}: has {told}, expected {VERSION}: use the alertdrill that wrote it")
    try:
        return Recording.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: is no recording: {_one_line(f'{where}: {said}' if where else said)}") from error


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - JSON
    values = json.loads(content)
    # JSON can spell half a character, which no report could be written with.
    if rb"\ud" in content.lower():
        json.dumps(values, ensure_ascii=False).encode()
    return values


def _one_line(told: object) -> str:
    """Spell what may be foreign in one line, without what could drive a terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(told)).split())


def recording_path(directory: Path, recording: Recording) -> Path:
    """Return the path of a recording, named after the drill and the instant (UTC) at which it began."""
    stamp = time.strftime(_STAMP, time.gmtime(recording.started_at))
    return directory / f"{recording.drill.name}-{stamp}{SUFFIX}"


def named_instant(path: Path) -> float | None:
    """Return the instant in the name of a recording (Unix seconds, whole ones), None where the name has none."""
    stamp = path.name.removesuffix(SUFFIX).rpartition("-")[2]
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
