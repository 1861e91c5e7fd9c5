"""The recording: everything that a drill measured, in one file. The judge reads nothing else.

The file is JSON, compressed with gzip. `version` is raised when an older reader would misread a new file.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticSerializationError

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import ReservedSpace, write_whole
from alertdrill.agent.recording.records import (
    ActiveRecord,
    AlertmanagerRecord,
    AlertSamples,
    AuditRecord,
    CallsRecord,
    FaultRecord,
    GroupRecord,
    Instant,
    KpiRecord,
    LoadRecord,
    MachineRecord,
    NotificationRecord,
    OutageRecord,
    Phase,
    PhaseRecord,
    PrometheusRecord,
    Record,
    RuleRecord,
    ScheduledRecord,
    TargetRecord,
    WatchedRecord,
)
from alertdrill.agent.recording.replay import LeftOutRecord, ReplayRecord
from alertdrill.units import json_text
from alertdrill.units.text import one_line

VERSION = 3
_READABLE = (2, VERSION)
"""Version 2 has no raw samples, so its rules cannot be replayed."""
SUFFIX = ".recording.json.gz"
"""The end of each recording's file name."""
_STAMP = "%Y%m%dT%H%M%SZ"
# All instants of a recording lie within this time around the drill.
_LONGEST_SECONDS = 31 * 86_400.0
# A drill of a week, with a record of its load for each second, takes about 120 MiB. An edited file of a few kilobytes
# can be unpacked to any size.
_MOST_BYTES = 128 * 2**20
_MOST_VALUES = 8_000_000


AbortedBy = Literal["", "unready", "timeout", "watchdog"]


class Recording(Record):
    """One drill, from its first transaction to its last sample.

    `earlier` holds the alerts that fired from `earlier_since` to the drill's start: Alertmanager may still have their
    groups. `dashboards` are the URLs of the dashboards for each alert. `probed` are the addresses (host and port) that
    the load's transactions were sent to. `scheduled` is the occurrence of the schedule that began the drill, None if
    somebody did. Without `calls`, in the recordings of older versions, nothing is known of who made the notifications,
    and all of them count; without `machine`, nothing of whether the machine was short of time.
    Without `replay`, in the recordings of version 2 or when the samples could not be fetched, the rules cannot be evaluated
    again. `ignored` are the alerts that `guards.ignore_alerts` names and that the drill does not expect: they may fire, as
    those of its `allow` may. `is_stretch` if there was no drill: nothing was broken, and nothing was sent.
    `aborted_by` says what broke it off, if that can be the fault of a busy machine: it was not ready (an alert fired
    before), something did not answer in time, or its watchdog did not. `attempt` counts from 1: the later ones follow a
    drill that a busy machine spoiled, and run alone at a smaller time scale.
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
    probed: list[str] = []
    machine: MachineRecord | None = None
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
    calls: CallsRecord | None = None
    outages: list[OutageRecord]
    aborted: str = ""
    aborted_by: AbortedBy = ""
    attempt: int = Field(default=1, ge=1, le=1000)
    audit: AuditRecord | None = None
    kpis: list[KpiRecord] = []
    dashboards: dict[str, str] = {}
    scheduled: ScheduledRecord | None = None
    replay: ReplayRecord | None = None
    is_stretch: bool = False
    ignored: list[str] = []

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    @property
    def allowed(self) -> frozenset[str]:
        """The alerts that may fire without being expected."""
        return frozenset((*self.drill.allow, *self.ignored))

    @property
    def left_out(self) -> list[LeftOutRecord]:
        """The rules that cannot be replayed from its samples; empty also when it has no samples at all."""
        return self.replay.left_out if self.replay is not None else []

    def phase(self, name: Phase) -> PhaseRecord | None:
        """Return a phase; None if the drill did not reach it."""
        return next((phase for phase in self.phases if phase.phase == name), None)


def _problems(recording: Recording) -> Iterator[str]:
    """Yield contradictions, which no real recording has."""
    if not 0 <= recording.ended_at - recording.started_at <= _LONGEST_SECONDS:
        yield "ended_at is before started_at, or more than a month after it"
    expected = {expectation.alert for expectation in recording.drill.expect}
    for rule in recording.rules:
        if rule.alert in expected and not rule.interval_seconds:
            yield f"the rule {rule.alert} has an interval of 0 s"
    for record in recording.watched:
        points = [(record.first_at, record.count, record.interval_seconds)]
        if record.between is not None:
            points.append((record.between.first_at, record.between.count, record.between.step_seconds))
        for first, count, step in points:
            if (
                first < recording.started_at - _LONGEST_SECONDS
                or first + (count - 1) * step > recording.ended_at + step
            ):
                yield f"the evaluations of {record.alert} do not lie within the drill"


RESERVED_BYTES = 32 * 1024 * 1024
"""The space on a disk that a drill needs before it begins."""
_WITHOUT_EVIDENCE: dict[str, Any] = {
    "watched": [],
    "targets": [],
    "groups": [],
    "earlier": [],
    "kpis": [],
    "replay": None,
}
_NOTIFICATIONS_WITHOUT_SPACE = 1_000


def write_recording(recording: Recording, path: Path) -> None:
    """Write a recording; raises OSError, and then leaves no partial file."""
    write_whole(path, _encoded(recording))


def write_into(space: ReservedSpace, recording: Recording, path: Path) -> Recording:
    """Write a recording into space that was reserved for it, and return what was written; raises OSError.

    If it is larger than the space, and the disk is full, it is written without its evidence, and says so.
    """
    try:
        content = _encoded(recording)
    except PydanticSerializationError:
        recording = _mended(recording)
        content = _encoded(recording)
    try:
        space.write(path, content)
    except OSError as error:
        recording = _without_evidence(recording, error.strerror or str(error))
        space.write(path, _encoded(recording))
    return recording


def _encoded(recording: Recording) -> bytes:
    # With a fixed time in gzip's header, equal recordings are equal files.
    return gzip.compress(recording.model_dump_json(by_alias=True).encode(), mtime=0)


def _mended(recording: Recording) -> Recording:
    """Return a recording in which halves of characters, which JSON may hold but no file, are question marks."""
    return Recording.model_validate(_whole_characters(recording.model_dump(by_alias=True)))


def _whole_characters(value: Any) -> Any:  # noqa: ANN401 - a recording holds anything
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_characters(item) for item in value]
    return value


def _without_evidence(recording: Recording, reason: str) -> Recording:
    why = f"the recording was too large ({reason}), so it is without what each rule saw"
    return recording.model_copy(
        update=_WITHOUT_EVIDENCE
        | {
            "notifications": recording.notifications[:_NOTIFICATIONS_WITHOUT_SPACE],
            "aborted": f"{recording.aborted}; {why}" if recording.aborted else why,
        }
    )


def read_recording(path: Path) -> Recording:
    """Return the recording of a file; raises ConfigError with one line about what is wrong with the file."""
    try:
        with gzip.open(path) as file:
            values = _parsed(file.read(_MOST_BYTES + 1))
    except gzip.BadGzipFile as error:
        raise ConfigError(f"{path}: is not a recording, or is damaged: {one_line(error)}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (EOFError, ValueError, zlib.error) as error:
        raise ConfigError(
            f"{path}: is not a complete recording: {one_line(error)}; copy it again, or run the drill again"
        ) from error
    version = values.get("version") if isinstance(values, dict) else None
    if version not in _READABLE or isinstance(version, bool):
        found = "no version" if version is None else f"version {json.dumps(version)}"
        raise ConfigError(
            f"{path}: has {found}, expected {' or '.join(map(str, _READABLE))}: use the alertdrill that wrote it"
        )
    try:
        return Recording.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        text = one_line(f"{where}: {problem}" if where else problem)
        raise ConfigError(f"{path}: is not a recording: {text}") from error


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - JSON
    if len(content) > _MOST_BYTES:
        msg = f"holds more than {_MOST_BYTES // 2**20} MiB"
        raise ValueError(msg)
    values = json_text.parse(content, _MOST_VALUES)
    # JSON can contain half a character (a lone surrogate), and a report with it could not be written.
    if rb"\ud" in content.lower():
        json.dumps(values, ensure_ascii=False).encode()
    return values


def recording_path(directory: Path, recording: Recording) -> Path:
    """Return the path of a recording."""
    return directory / recording_name(recording.drill.name, recording.started_at)


def recording_name(drill: str, started_at: float) -> str:
    """Return the name of the file of a recording: the name of the drill and its start (UTC)."""
    return f"{drill}-{time.strftime(_STAMP, time.gmtime(started_at))}{SUFFIX}"


def named_instant(path: Path) -> float | None:
    """Return the instant in the name of a recording (Unix seconds, whole ones), None where the name has none."""
    stamp = path.name.removesuffix(SUFFIX).rpartition("-")[2]
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
