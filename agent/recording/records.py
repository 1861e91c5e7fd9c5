"""The parts of a recording. Instants are Unix seconds by the wall clock, durations are seconds."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alertdrill.agent.config.kpis import Kpi

Phase = Literal["baseline", "fault", "recovery"]
# From the year 1, of Go's zero time, to the end of the year 9999.
Instant = Annotated[float, Field(ge=-62_135_596_800, le=253_402_300_800)]
Seconds = Annotated[float, Field(ge=0, le=1e10)]
Interval = Annotated[float, Field(ge=0.001, le=1e10)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=2**53)]
# A week of evaluations, ten a second.
Points = Annotated[int, Field(ge=0, le=10_000_000)]


class Record(BaseModel):
    """A frozen part of a recording; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PhaseRecord(Record):
    """One stretch of the drill."""

    phase: Phase
    started_at: Instant
    ended_at: Instant


class SecondRecord(Record):
    """One second of load; latencies in seconds from the due time, None if no transaction ended in it.

    `unanswered` are those of the failed whose server did not answer; None in the recordings of older versions.
    """

    at: Instant
    due: Count
    succeeded: Count
    failed: Count
    unanswered: Count | None = None
    dropped: Count
    in_flight: Count
    p50_seconds: Seconds | None
    p95_seconds: Seconds | None
    p99_seconds: Seconds | None


class MoneyRecord(Record):
    """The money of transactions in one currency: their share of all transactions, and the average amount of each.

    `is_exact` if every transaction carries exactly that amount.
    """

    currency: str
    mean: Decimal
    share: float = Field(ge=0, le=1)
    is_exact: bool


class LoadRecord(Record):
    """The result of a load during the drill.

    `due` is succeeded + failed + dropped + in flight at the end, minus those in flight at the start: a load may have
    begun before the drill.

    `money` is empty if the money of a transaction is unknown. `failed_traces` are the trace ids of the first failed
    transactions that had one (`trace_every` of the probe).
    """

    target_rate: float
    due: Count
    succeeded: Count
    failed: Count
    dropped: Count
    in_flight_at_end: Count
    reasons: dict[str, int]
    details: dict[str, str]
    lateness_p99_seconds: Seconds
    seconds: list[SecondRecord]
    money: list[MoneyRecord] = []
    failed_traces: list[str] = []


class FaultRecord(Record):
    """One fault, in force between its two instants. A surge has the record of its load.

    It may be in force from `injected_at` on, and is so from `in_force_at` on, when its injection was confirmed, until
    `undo_began_at`. `outcome` is the result of the undo, such as how soon a process was back.
    """

    kind: str
    target: str
    settings: dict[str, Any]
    injected_at: Instant
    in_force_at: Instant | None = None
    undo_began_at: Instant | None = None
    healed_at: Instant
    outcome: str = ""
    load: LoadRecord | None = None


class RuleRecord(Record):
    """One alerting rule as Prometheus serves it; durations in seconds."""

    alert: str
    group: str
    file: str = ""
    expr: str
    for_seconds: Seconds
    keep_firing_for_seconds: Seconds
    interval_seconds: Seconds
    labels: dict[str, str]
    annotations: dict[str, str]
    health: str
    last_error: str = ""


class EvaluationRecord(Record):
    """One evaluation of a group: it began at `at`, by the wall clock, a few milliseconds after its instant.

    Prometheus did not report it yet at `looked_before_at`, and reported it at `looked_at`. Two looks closer together
    than the group's interval prove that there was no other evaluation since the one before.
    """

    at: Instant
    looked_before_at: Instant
    looked_at: Instant
    errors: dict[str, str] = {}


class GroupRecord(Record):
    """The observed evaluations of one group of rules, in order; up to `looked_until` there was no later one."""

    group: str
    file: str
    interval_seconds: Interval
    evaluations: list[EvaluationRecord]
    looked_until: Instant | None = None


class TargetRecord(Record):
    """One target of Prometheus with its scrapes: their exact starts, whether each succeeded, how long it took.

    `address` is the host and the port that are scraped. `last_error` is Prometheus' message about a scrape that failed
    during the fault, or while an alert was active which the drill does not allow. Both are empty if they are not known.
    """

    job: str
    instance: str
    address: str = ""
    interval_seconds: Seconds
    timeout_seconds: Seconds
    instants: list[Instant]
    up: list[int]
    durations_seconds: list[Seconds]
    last_error: str = ""

    @model_validator(mode="after")
    def _lists_are_equally_long(self) -> Self:
        if not len(self.instants) == len(self.up) == len(self.durations_seconds):
            msg = f"{len(self.instants)} instants, {len(self.up)} up and {len(self.durations_seconds)} durations, expected equal numbers"
            raise ValueError(msg)
        return self


class ActiveRecord(Record):
    """One alert as Prometheus listed it while it was active; `seen_at` is the last time that it was listed."""

    labels: dict[str, str]
    state: str
    active_at: Instant
    seen_at: Instant


class AlertSamples(Record):
    """The samples of one `ALERTS` series: the exact instants of the evaluations that held it active.

    `since` holds the alert's activeAt at each instant in whole seconds, from `ALERTS_FOR_STATE`; it is empty if that
    could not be read.
    """

    labels: dict[str, str]
    state: Literal["pending", "firing"]
    instants: list[Instant]
    since: list[int] = []

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if "alertname" not in self.labels:
            msg = "labels without alertname"
            raise ValueError(msg)
        if self.since and len(self.since) != len(self.instants):
            msg = f"{len(self.instants)} instants and {len(self.since)} since, expected equal numbers or no since"
            raise ValueError(msg)
        return self


class SeriesRecord(Record):
    """One series at a rule's evaluations: its first value belongs to the evaluation number `first`.

    A value is None if the series was absent, and NaN if it was a native histogram.
    """

    # 0 / 0 is NaN, which JSON has no number for.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    labels: dict[str, str]
    first: Points
    values: list[float | None]


class PartRecord(Record):
    """A part of a rule's expression, evaluated at the instants of the rule's evaluations.

    If there are many series, only some are kept; `total` counts all. `error` is Prometheus' message if the query failed.
    """

    expr: str
    series: list[SeriesRecord]
    total: Count
    error: str = ""


class HeldRecord(Record):
    """When one series of a condition was present: stretches of points, each with its first point and its length."""

    labels: dict[str, str]
    stretches: list[tuple[Points, Points]]


class BetweenRecord(Record):
    """A condition between the evaluations of its rule: at `first_at` + n steps, at least once for each scrape.

    An evaluation that came during a scrape had the result from before that scrape.
    """

    first_at: Instant
    step_seconds: Interval
    count: Points
    series: list[HeldRecord]


class WatchedRecord(Record):
    """A rule under test, evaluated again at every instant of its own evaluations: `first_at` + n intervals.

    Each evaluation reads the data of `query_offset_seconds` before. `between` is None if no scrapes are known.
    `near_names` has the most similar existing names for each metric without series; its own name among them means that
    Prometheus knows it. `sample_ages` has the age in seconds, at the end of the drill, of the newest sample of each
    selector; of one that no evaluation saw, if its exporter sends old timestamps.
    """

    alert: str
    group: str
    file: str
    first_at: Instant
    interval_seconds: Interval
    count: Points
    query_offset_seconds: float = 0.0
    parts: list[PartRecord]
    between: BetweenRecord | None = None
    near_names: dict[str, list[str]] = {}
    sample_ages: dict[str, Seconds] = {}


class NotificationRecord(Record):
    """One call of Alertmanager to our webhook, about one alert."""

    received_at: Instant
    receiver: str
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: Instant
    ends_at: Instant | None
    group_key: str = ""


TOO_MANY_CALLS = "too many calls"
"""The reason of a refusal after which Alertmanager calls again."""


class RefusalRecord(Record):
    """Calls of the agent's own server that it refused for one reason: how many, the first and the last."""

    reason: str
    count: Count
    first_at: Instant
    last_at: Instant


class CallsRecord(Record):
    """What called the agent's own server during the drill: the calls that it refused, by reason.

    `sent_by_alertmanager` is the number of calls of webhooks that Alertmanager counts itself, to any server. It is None
    if that does not say who called: Alertmanager has no such count, has several instances, or was restarted.
    `callers` are the expected receivers for which Alertmanager's configuration showed a webhook at this agent's address.
    """

    refused: list[RefusalRecord] = []
    sent_by_alertmanager: Count | None = None
    callers: list[str] = []


class StrainRecord(Record):
    """How short of processor time this machine was for some seconds from `at` on.

    `loop_lag_seconds` is the longest time that this program's own timers came late. The others are shares of the time:
    `busy` and `stolen` (by the host of a virtual machine) of all processors' time, `contended` while any program waited
    for a processor, `throttled` while this program's control group was held back, `queued` while this program itself
    waited. What the kernel does not report is None.
    """

    at: Instant
    seconds: Seconds
    loop_lag_seconds: Seconds
    busy: Share
    stolen: Share
    contended: Share | None = None
    throttled: Share | None = None
    queued: Share | None = None


class MachineRecord(Record):
    """This machine during the drill, slice by slice; `has_prometheus` says whether Prometheus runs on it, too."""

    has_prometheus: bool
    slices: list[StrainRecord] = []


class OutageRecord(Record):
    """A server that did not answer: the first and the last failed request."""

    server: str
    first_at: Instant
    last_at: Instant
    reason: str


class FoundRecord(Record):
    """The number of errors of one kind, and the ids of the first few."""

    count: int = 0
    examples: list[str] = []


class AuditRecord(Record):
    """The payment audit: the acknowledged transactions, compared with the books of the payment engine.

    `found` are booked exactly once. `orphaned` are bookings on an account that does not exist. Balances are the sums of
    all accounts. `problem` says why there was no audit.
    """

    acknowledged: Count
    found: Count
    missing: FoundRecord = FoundRecord()
    doubled: FoundRecord = FoundRecord()
    orphaned: FoundRecord = FoundRecord()
    balance_before: Decimal
    balance_after: Decimal
    problem: str = ""


class KpiValueRecord(Record):
    """A value over one phase of the drill; the labels distinguish values of one KPI."""

    phase: Phase
    labels: dict[str, str] = {}
    value: float


class KpiRecord(Record):
    """One KPI, and its values in each phase; empty if it could not be measured."""

    kpi: Kpi
    values: list[KpiValueRecord]


class ScheduledRecord(Record):
    """The occurrence of the schedule that began a drill: its entry, and its instant in UTC as 2026-01-02T03:04:05Z."""

    entry: str
    instant: str


class PrometheusRecord(Record):
    """The Prometheus server: its version, its observed starts and reloads, and the waits in its flags.

    `clock_ahead_seconds` is how far its clock is ahead of ours, and `clock_unsure_seconds` the uncertainty of that.
    Values that a compatible server does not report are None or empty.
    """

    version: str
    started_at: list[Instant] = []
    loaded_at: list[Instant] = []
    for_grace_seconds: Seconds | None = None
    resend_delay_seconds: Seconds | None = None
    lookback_seconds: Seconds | None = None
    clock_ahead_seconds: float | None = None
    clock_unsure_seconds: Seconds = 0.0


class SilenceRecord(Record):
    """One silence of Alertmanager; matchers are written as in Alertmanager."""

    silence_id: str
    matchers: list[str]
    starts_at: Instant
    ends_at: Instant
    created_by: str
    comment: str


class SuppressionRecord(Record):
    """An alert in Alertmanager's list from the first to the last look: its receivers, and why it was held back.

    `labels` are those that arrived there. `muted_by` names time intervals, which older servers do not report.
    """

    fingerprint: str
    labels: dict[str, str]
    state: str
    receivers: list[str]
    silenced_by: list[str]
    inhibited_by: list[str]
    muted_by: list[str] = []
    starts_at: Instant | None = None
    first_seen_at: Instant
    last_seen_at: Instant


class DeliveryRecord(Record):
    """How many notifications Alertmanager sent by one integration during the drill, and how many of them failed."""

    integration: str
    sent: Count
    failed: Count


class AlertmanagerRecord(Record):
    """The Alertmanager server; `config` is YAML text with its secrets masked, `config_at_end` too if it was reported.

    `alerts` were seen in its list, which was read `looks` times.
    """

    version: str
    config: str
    config_at_end: str | None = None
    looks: Count = 0
    started_at: list[Instant] = []
    peers: Count = 1
    silences: list[SilenceRecord] = []
    alerts: list[SuppressionRecord] = []
    deliveries: list[DeliveryRecord] = []
