"""What the API takes and answers, as the models from which `openapi.json` is made. Instants are in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from alertdrill.units.duration import Duration
from alertdrill.units.text import utc_instant, utc_text

_Item = TypeVar("_Item")
LONGEST_PAUSE = timedelta(days=7)
LONGEST_BLACKOUT = timedelta(days=31)
MOST_DAYS = 60
INSTANT = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
"""What the text of an instant looks like."""
_DURATION = {
    "type": "string",
    "pattern": "^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
    "minLength": 2,
    "examples": ["2h"],
}

Instant = Annotated[
    datetime,
    PlainSerializer(utc_text, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-02T03:04:05Z"]}),
]
"""To the second, as everywhere in this project."""


def _given(text: object) -> datetime:
    return utc_instant(str(text))


_GivenInstant = Annotated[
    datetime,
    BeforeValidator(_given),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{INSTANT}$"}),
]


class Wire(BaseModel):
    """A value of the API; one that has further keys is refused."""

    # The models that nobody asks for need not be built: that takes longer than all else in the start of an agent.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Problem(Wire):
    """Why a call was refused, as RFC 9457 says; `errors` has a line for each of several problems."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[str] = []


class Page(Wire, Generic[_Item]):
    """A part of a list; `next_cursor` is for the part that follows, null at the end."""

    items: list[_Item]
    next_cursor: str | None = None


class Nothing(Wire):
    """No parameters."""


class PageQuery(Wire):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=500)
    cursor: str = Field(default="", max_length=400)


class RunsQuery(PageQuery):
    """Which runs."""

    drill: str = Field(default="", max_length=200)


class ScheduleQuery(PageQuery):
    """Which coming occurrences."""

    days: int = Field(default=14, ge=1, le=MOST_DAYS)


class LoadQuery(Wire):
    """Of how many of the last seconds."""

    seconds: int = Field(default=60, ge=1, le=900)


class StartQuery(Wire):
    """Whether only to tell what would happen."""

    dry_run: bool = False


class AlertState(Wire):
    """The state of an active alert."""

    alert: str
    state: str


class FaultInForce(Wire):
    """How many faults of a kind are in force at a target."""

    kind: str
    target: str
    count: int


class RunningDrill(Wire):
    """The drill that runs; `phase` is null before its baseline."""

    drill: str
    entry: str
    phase: str | None
    phase_seconds: float
    phase_at_most_seconds: float
    faults: list[FaultInForce]
    alerts: list[AlertState]


class Running(Wire):
    """The event of a drill; null when it ended."""

    running: RunningDrill | None


class Pause(Wire):
    """Until when no drill runs, and why."""

    until: Instant
    reason: str
    by: str


class ConfigState(Wire):
    """The configuration in force; `is_newest` is false when the newest one could not be read."""

    sha256: str
    is_newest: bool
    in_force_since: Instant
    waits_for_the_drill: bool


class LoadState(Wire):
    """Whether the load runs as it should."""

    is_sending: bool
    problem: str
    rate: float
    workers: dict[str, bool]


class HistoryState(Wire):
    """Whether the history can be written; `waiting` counts writes."""

    problem: str
    waiting: int


class Status(Wire):
    """The state of the agent; `problem` says why it is not ready, `running` is null when no drill runs.

    `occurrence` is the entry of the schedule whose drills run, also between two of them.
    """

    version: str
    now: Instant
    problem: str
    config: ConfigState
    load: LoadState
    occurrence: str | None
    running: RunningDrill | None
    pause: Pause | None
    faults_unhealed: int
    history: HistoryState
    next: dict[str, Instant]


class ConfigInForce(Wire):
    """The configuration in force, with `<secret>` in place of each secret: agent.yml, and the drills of its schedule.

    `agent` has the values that its file sets, and those of the files that it names for its probe and its KPIs.
    """

    sha256: str
    in_force_since: Instant
    agent: dict[str, Any]
    drills: list[dict[str, Any]]


class LoadSecond(Wire):
    """One second of the load; `seen_at` is when it was counted, a little after its end."""

    seen_at: Instant
    target_rate: float
    due: int
    succeeded: int
    failed: int
    dropped: int
    lost: int
    in_flight: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    lateness_p99_seconds: float | None


class LoadStatus(Wire):
    """The load since the agent began, and its last seconds."""

    due: int
    succeeded: int
    failed: int
    dropped: int
    lost: int
    in_flight: int
    reasons: dict[str, int]
    seconds: list[LoadSecond]


class AlertOutcome(Wire):
    """The outcome for an alert of a drill."""

    alert: str
    outcome: str


class Run(Wire):
    """A drill that ended; `entry` and `instant` are those of its occurrence, null for `alertdrill drill`."""

    id: str
    drill: str
    started_at: Instant
    ended_at: Instant
    exit_code: int
    aborted: str
    entry: str | None
    instant: str | None
    time_scale: float
    outcomes: list[AlertOutcome]


class Verdict(Wire):
    """The verdict on an alert; what did not happen is null."""

    alert: str
    labels: dict[str, str]
    outcome: str
    reason: str
    explanation: str
    expected: bool
    fault_at: Instant
    pending_at: Instant | None
    firing_at: Instant | None
    notified_at: Instant | None
    resolved_at: Instant | None


class RunDetail(Run):
    """A drill that ended, with its verdicts; `recording` is the file's name in the folder of recordings."""

    recording: str
    verdicts: list[Verdict]


class LastVerdict(Wire):
    """The newest verdict on an alert."""

    outcome: str
    reason: str
    drill: str
    run: str
    at: Instant


class Alert(Wire):
    """How an alert stands: `state` is `proven`, `stale` (older than `prove_within`) or `not_proven`.

    `reason` says why it is not proven. `prove_by` is null where the configuration has no limit for its severity.
    """

    alert: str
    severity: str
    state: Literal["proven", "stale", "not_proven"]
    reason: str
    last_proven_at: Instant | None
    proven_by: str | None
    age_seconds: int | None
    prove_within_seconds: int | None
    prove_by: Instant | None
    last_verdict: LastVerdict | None
    drills: list[str]


class Skipped(Wire):
    """Why an occurrence does not run: a fixed word, and a sentence."""

    reason: str
    why: str


class Coming(Wire):
    """A coming occurrence; `starts_at_local` is in the schedule's time zone."""

    entry: str
    instant: Instant
    starts_at: Instant
    starts_at_local: str
    drills: list[str]
    skipped: Skipped | None
    notes: list[str]


class Occurrence(Wire):
    """What became of an occurrence; `exit_codes` are by drill, `asked` says who started it by a call, and why."""

    entry: str
    instant: str
    starts_at: str
    state: str
    at: str
    reason: str
    why: str
    exit_codes: dict[str, int]
    asked: str


class Blackout(Wire):
    """A time without drills: one of the configuration, an event of a calendar, a guard, the pause, or one of a call.

    `until` is the end of the one that is in force; null if none is, or if its end is not known. `id` is null for those
    that no call ordered.
    """

    kind: Literal["days", "cron", "calendar", "guard", "pause", "call"]
    name: str
    when: str
    in_force: bool
    until: Instant | None
    id: str | None = None


class StartCall(Wire):
    """Which drill of the schedule to start, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"drill": "slow-database", "reason": "after the upgrade"}]}
    )

    drill: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="", max_length=200)
    by: str = Field(default="", max_length=100)


class PlannedStep(Wire):
    """A fault or a surge of a drill; its time counts from the end of the baseline.

    `lasts` is a duration, or says that it lasts until the alerts fired. `settings` are those of the drill's file.
    """

    at_seconds: float
    lasts: str
    kind: str
    target: str
    settings: str


class Plan(Wire):
    """What a drill would do, in the words of `alertdrill drill --dry-run`; `refused` says why it would not be started now.

    `rate` is that of the load. `expects` has the alerts, `expectations` a sentence for each, with receiver and limit.
    """

    drill: str
    refused: Skipped | None
    baseline_seconds: float
    rate: float
    longest_seconds: float
    steps: list[PlannedStep]
    expects: list[str]
    expectations: list[str]


class Start(Wire):
    """A drill that a call started; `runs` are its runs in the history once it ended, and null while that cannot be read."""

    id: str
    drill: str | None
    state: str
    started_at: str
    asked: str
    reason: str
    why: str
    exit_code: int | None
    runs: list[str] | None


class AbortCall(Wire):
    """Why the drill is stopped."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "customers call"}]})

    reason: str = Field(default="", max_length=200)


class Aborted(Wire):
    """What was stopped; its faults are being undone."""

    drill: str | None
    occurrence: str
    reason: str


class PauseCall(Wire):
    """For how long no drill runs, at most 7d, and why."""

    model_config = ConfigDict(
        populate_by_name=True, json_schema_extra={"examples": [{"for": "2h", "reason": "the release", "by": "Ada"}]}
    )

    for_: Annotated[Duration, WithJsonSchema(_DURATION)] = Field(alias="for", gt=timedelta(0), le=LONGEST_PAUSE)
    reason: str = Field(min_length=1, max_length=200)
    by: str = Field(default="", max_length=100)


class BlackoutCall(Wire):
    """From when until when no drill runs, at most 31d, and why; without `from` it begins now."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "from": "2099-12-20T00:00:00Z",
                    "until": "2099-12-27T00:00:00Z",
                    "reason": "the migration",
                    "by": "Ada",
                }
            ]
        },
    )

    from_: _GivenInstant | None = Field(default=None, alias="from")
    until: _GivenInstant
    reason: str = Field(min_length=1, max_length=200)
    by: str = Field(default="", max_length=100)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.from_ is not None and self.until <= self.from_:
            msg = "until is not after from"
            raise ValueError(msg)
        return self


class EndBlackoutCall(Wire):
    """Which blackout of a call is ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "20260102T030405Z"}]})

    id: str = Field(min_length=1, max_length=100)


class EmptyCall(Wire):
    """No values."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Healed(Wire):
    """What was undone, a line each."""

    lines: list[str]


class Reloaded(Wire):
    """Whether the configuration is in force, or waits for the end of the drill that runs."""

    sha256: str
    waits_for_the_drill: bool


class Document(Wire):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
