"""Everything that a drill saw, in one file: what the judge works from, and nothing else.

The file is JSON, compressed with gzip; `version` is raised when a reader of before would misread it.
Instants are Unix seconds by the wall clock, durations are seconds.
"""

from __future__ import annotations

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.drill import Drill
from agent.errors import ConfigError

VERSION = 1

Phase = Literal["baseline", "fault", "recovery"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PhaseRecord(_Record):
    """One stretch of the drill."""

    phase: Phase
    started_at: float
    ended_at: float


class FaultRecord(_Record):
    """One fault as it was: in force between its two instants."""

    kind: str
    target: str
    settings: dict[str, Any]
    injected_at: float
    healed_at: float


class SecondRecord(_Record):
    """One second of load; latencies from due time, in seconds, None when nothing ended in it."""

    at: float
    due: int
    succeeded: int
    failed: int
    dropped: int
    in_flight: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class LoadRecord(_Record):
    """What the load did; `due` is succeeded + failed + dropped + what was broken off at the end."""

    target_rate: float
    due: int
    succeeded: int
    failed: int
    dropped: int
    in_flight_at_end: int
    reasons: dict[str, int]
    details: dict[str, str]
    lateness_p99_seconds: float
    seconds: list[SecondRecord]


class RuleRecord(_Record):
    """One alerting rule as Prometheus serves it; durations in seconds."""

    alert: str
    group: str
    expr: str
    for_seconds: float
    keep_firing_for_seconds: float
    interval_seconds: float
    labels: dict[str, str]
    annotations: dict[str, str]
    health: str


class ActiveRecord(_Record):
    """One alert as Prometheus listed it while it was active; `seen_at` is when we last asked."""

    labels: dict[str, str]
    state: str
    active_at: float
    seen_at: float


class AlertSamples(_Record):
    """The samples of one `ALERTS` series: the exact instants of the evaluations that held it active."""

    labels: dict[str, str]
    state: Literal["pending", "firing"]
    instants: list[float]


class ValueSamples(_Record):
    """The left side of a rule's comparison, evaluated on the rule's own grid: `[instant, value]` pairs."""

    alert: str
    labels: dict[str, str]
    samples: list[tuple[float, float]]


class NotificationRecord(_Record):
    """One call of Alertmanager to our webhook, about one alert."""

    received_at: float
    receiver: str
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: float
    ends_at: float | None


class OutageRecord(_Record):
    """A server that did not answer: the first and the last failed request."""

    server: str
    first_at: float
    last_at: float
    reason: str


class FoundRecord(_Record):
    """How many there are of something that must not be, and the ids of the first few."""

    count: int = 0
    examples: list[str] = []


class AuditRecord(_Record):
    """What the lab's ledger holds of the transactions that it acknowledged.

    `found` are in it exactly once. `orphaned` are its entries with an account that does not exist. Balances are the
    sums of all accounts. `problem` says why there was no audit.
    """

    acknowledged: int
    found: int
    missing: FoundRecord = FoundRecord()
    doubled: FoundRecord = FoundRecord()
    orphaned: FoundRecord = FoundRecord()
    balance_before: Decimal
    balance_after: Decimal
    problem: str = ""


class Recording(_Record):
    """One drill, from its first transaction to its last sample."""

    version: int = VERSION
    alertdrill: str
    drill: Drill
    time_scale: float
    started_at: float
    ended_at: float
    phases: list[PhaseRecord]
    faults: list[FaultRecord]
    load: LoadRecord
    rules: list[RuleRecord]
    scrape_seconds: dict[str, float]
    active: list[ActiveRecord]
    alerts: list[AlertSamples]
    values: list[ValueSamples]
    notifications: list[NotificationRecord]
    outages: list[OutageRecord]
    alertmanager_config: str
    prometheus_version: str
    alertmanager_version: str
    aborted: str = ""
    audit: AuditRecord | None = None

    def phase(self, name: Phase) -> PhaseRecord | None:
        """Find a phase, None when the drill did not come to it."""
        return next((phase for phase in self.phases if phase.phase == name), None)


def save(recording: Recording, path: Path) -> None:
    """Write a recording; raises OSError, with nothing left behind."""
    # A fixed time in gzip's header: equal recordings are equal files.
    write_whole(path, gzip.compress(recording.model_dump_json(by_alias=True).encode(), mtime=0))


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file beside its place, then rename it, so that no half of one is ever there.

    Raises OSError, with nothing left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


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
