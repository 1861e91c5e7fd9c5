"""Watches Prometheus and Alertmanager while a drill runs: the alerts, the evaluations, the suppressed notifications.

It keeps what the servers do not keep themselves. Samples are fetched at the end, by `alertdrill.agent.drilling.evidence`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.changes import AlertChanges
from alertdrill.agent.drilling.evidence import Evidence, key_of, scrape_error
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager, NotificationCount
from alertdrill.agent.monitoring.held import AlertmanagerStatus, HeldAlert, Silence, SilenceMatcher
from alertdrill.agent.monitoring.prometheus import Prometheus, rule_record
from alertdrill.agent.monitoring.rules import ActiveAlert, RuleGroup
from alertdrill.agent.monitoring.status import Flags, RuntimeInfo
from alertdrill.agent.monitoring.targets import Target
from alertdrill.agent.recording.alertmanager_config import without_secrets
from alertdrill.agent.recording.recording import AbortedBy
from alertdrill.agent.recording.records import (
    ActiveRecord,
    AlertmanagerRecord,
    AlertSamples,
    DeliveryRecord,
    EvaluationRecord,
    GroupRecord,
    OutageRecord,
    PrometheusRecord,
    RuleRecord,
    SilenceRecord,
    SuppressionRecord,
    TargetRecord,
)

# By then, Alertmanager has forgotten a group whose group_interval is five minutes.
EARLIER_SECONDS = 1500.0
# After a longer outage the drill is inconclusive anyway, so it ends and undoes its faults.
_PATIENCE_SECONDS = 5.0
# For a Prometheus that has no rule.
_INTERVAL_WITHOUT_RULES_SECONDS = 1.0
_LONGEST_FOR_TARGETS_SECONDS = 2.0
_COUNT_LOOKS, _BETWEEN_COUNTS_SECONDS = 20, 0.1
_Answer = TypeVar("_Answer")


class Observer:
    """Watches the alerts of one drill; `states` holds the state of each active alert by name.

    `seen` holds the gravest state of each alert that an evaluation found active since `began_at` (Unix seconds),
    `changes` when the expected alerts changed their states.
    """

    def __init__(
        self,
        prometheus: Prometheus,
        alertmanager: Alertmanager,
        drill: Drill,
        tell: Callable[[str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._prometheus = prometheus
        self._alertmanager = alertmanager
        self._watched = {expectation.alert for expectation in drill.expect}
        self._allowed = self._watched | set(drill.allow)
        self._abort_if = drill.abort_if
        self._tell = tell
        self._wall = wall
        self._started: list[tuple[AlertmanagerStatus, RuntimeInfo | None]] = []
        self._counts: list[NotificationCount] | None = None
        self._flags: Flags | None = None
        self._looked_at: float | None = None
        self._groups: dict[tuple[str, str], GroupRecord] = {}
        self._active: dict[tuple[object, ...], ActiveRecord] = {}
        self._held: dict[tuple[object, ...], SuppressionRecord] = {}
        self._looks_at_alertmanager = 0
        self._scrape_errors: dict[tuple[str, str], str] = {}
        self._open_outages: set[str] = set()
        self.states: dict[str, str] = {}
        self.changes = AlertChanges(self._watched)
        self.began_at: float | None = None
        self.seen: dict[str, str] = {}
        self.outages: list[OutageRecord] = []
        self.rules: list[RuleRecord] = []
        self.aborted = ""
        self.aborted_by: AbortedBy = ""

    async def begin(self) -> None:
        """Read the rules and the state of both servers before anything is broken; raises ServiceUnavailable."""
        self.rules = _rules(await self._prometheus.rule_groups())
        self._flags = await self._prometheus.flags()
        self._counts = await self._alertmanager.notification_counts()
        self._started.append((await self._alertmanager.status(), await self._prometheus.runtime()))

    @property
    def interval_seconds(self) -> float:
        """The shortest evaluation interval of an expected alert; of any alert when none is expected."""
        under_test = [rule for rule in self.rules if rule.alert in self._watched] or self.rules
        return min((rule.interval_seconds for rule in under_test), default=_INTERVAL_WITHOUT_RULES_SECONDS)

    @property
    def lookback_seconds(self) -> float | None:
        """How long Prometheus uses the newest sample of a series; None if it does not say."""
        return self._flags.lookback_delta_seconds if self._flags else None

    @property
    def is_away(self) -> bool:
        """Return whether Prometheus has not answered for so long that the drill ends."""
        last = next((outage for outage in reversed(self.outages) if outage.server == "Prometheus"), None)
        return (
            "Prometheus" in self._open_outages and last is not None and last.last_at - last.first_at > _PATIENCE_SECONDS
        )

    async def look(self) -> None:
        """Look at every group of rules, and at Alertmanager while an expected alert fires."""
        requested_at = self._wall()
        groups = await self._answered("Prometheus", self._prometheus.rule_groups())
        if groups is None:
            return
        # The answer shows an instant between the request and now.
        now = self._wall()
        for group in groups:
            self._note_evaluation(group, now)
        self._note_seen(groups)
        self.changes.note(groups)
        self._looked_at = requested_at
        self._note_active([alert for group in groups for rule in group.rules for alert in rule.alerts], now)
        if self._alertmanager.is_there and any(self.states.get(alert) == "firing" for alert in self._watched):
            await self._look_at_alertmanager(now)
        if self.states.keys() - self._allowed:
            await self._look_at_targets()

    async def look_for_abort(self) -> None:
        """Abort the drill when a query of `abort_if` has a result."""
        for expr in self._abort_if:
            if await self._answered("Prometheus", self._prometheus.holds(expr)):
                self.abort(f"abort_if became true: {expr}")

    async def note_scrape_errors(self) -> None:
        """Keep why Prometheus cannot scrape some targets now; it forgets that with the next scrape that succeeds."""
        if self.aborted or self.is_away:
            return
        # A fault is in force meanwhile. Without an answer, a verdict only says less.
        with suppress(ServiceUnavailable, TimeoutError):
            async with asyncio.timeout(_LONGEST_FOR_TARGETS_SECONDS):
                self._keep_errors(await self._prometheus.targets())

    def with_error(self, target: TargetRecord) -> TargetRecord:
        """Return the record of a target with the last error that was seen of its scrapes."""
        error = self._scrape_errors.get((target.job, target.instance), target.last_error)
        return target.model_copy(update={"last_error": error})

    def abort(self, reason: str, by: AbortedBy = "") -> None:
        """Note why the drill must end now, and by what, if a busy machine may have done it."""
        self.aborted, self.aborted_by = reason, by
        self._tell(reason)

    async def silences(self) -> tuple[Silence, ...]:
        """List all silences; none when Alertmanager does not answer."""
        return tuple(await self._answered("Alertmanager", self._alertmanager.silences()) or ())

    def _note_evaluation(self, group: RuleGroup, now: float) -> None:
        if group.last_evaluation_at is None or self._looked_at is None:
            return
        key = (group.name, group.file)
        known = self._groups.get(key)
        if known is not None and known.evaluations and known.evaluations[-1].at >= group.last_evaluation_at:
            return
        evaluation = EvaluationRecord(
            at=group.last_evaluation_at,
            looked_before_at=self._looked_at,
            looked_at=now,
            errors={rule.name: rule.last_error for rule in group.rules if rule.health == "err"},
        )
        evaluations = [*known.evaluations, evaluation] if known is not None else [evaluation]
        self._groups[key] = GroupRecord(
            group=group.name, file=group.file, interval_seconds=group.interval_seconds, evaluations=evaluations
        )

    def _note_seen(self, groups: Iterable[RuleGroup]) -> None:
        if self.began_at is None:
            return
        # What an earlier evaluation found may be over by now.
        fresh = (group for group in groups if (group.last_evaluation_at or 0.0) >= self.began_at)
        for alert in (alert for group in fresh for rule in group.rules for alert in rule.alerts):
            name = alert.labels["alertname"]
            self.seen[name] = "firing" if "firing" in {alert.state, self.seen.get(name)} else alert.state

    def _note_active(self, alerts: Iterable[ActiveAlert], now: float) -> None:
        states: dict[str, str] = {}
        for alert in alerts:
            record = ActiveRecord(labels=alert.labels, state=alert.state, active_at=alert.active_at, seen_at=now)
            self._active[(*sorted(alert.labels.items()), alert.active_at, alert.state)] = record
            name = alert.labels["alertname"]
            states[name] = "firing" if "firing" in {alert.state, states.get(name)} else alert.state
        for name in sorted(states | self.states):
            if states.get(name) != self.states.get(name):
                self._tell(f"alert {name}: {states.get(name, 'inactive')}")
        self.states = states

    async def _look_at_alertmanager(self, now: float) -> None:
        alerts = await self._answered("Alertmanager", self._alertmanager.alerts())
        if alerts is None:
            return
        self._looks_at_alertmanager += 1
        for alert in alerts:
            key = (
                alert.fingerprint,
                alert.starts_at,
                alert.state,
                alert.silenced_by,
                alert.inhibited_by,
                alert.muted_by,
            )
            first = self._held[key].first_seen_at if key in self._held else now
            self._held[key] = _suppression(alert, first, now)

    async def _look_at_targets(self) -> None:
        """Keep the errors of scrapes: when the drill is over, Prometheus knows only those of the last scrapes."""
        self._keep_errors(await self._answered("Prometheus", self._prometheus.targets()))

    def _keep_errors(self, targets: list[Target] | None) -> None:
        self._scrape_errors |= {key_of(one.labels): scrape_error(one) for one in targets or () if one.last_error}

    async def _answered(self, server: str, answer: Awaitable[_Answer]) -> _Answer | None:
        """Wait for an answer; when there is none, return None and note an outage."""
        try:
            received = await answer
        except ServiceUnavailable as error:
            self.note_outage(server, str(error))
            return None
        self._open_outages.discard(server)
        return received

    def note_outage(self, server: str, reason: str) -> None:
        """Note that a server did not answer."""
        now = self._wall()
        if server in self._open_outages:
            index = max(n for n, outage in enumerate(self.outages) if outage.server == server)
            self.outages[index] = self.outages[index].model_copy(update={"last_at": now})
        else:
            self._tell(reason)
            self.outages.append(OutageRecord(server=server, first_at=now, last_at=now, reason=reason))
        self._open_outages.add(server)

    @property
    def groups(self) -> list[GroupRecord]:
        """The observed evaluations of groups with an expected alert."""
        mine = {(rule.group, rule.file) for rule in self.rules if rule.alert in self._watched}
        until = {"looked_until": self._looked_at}
        return [group.model_copy(update=until) for key, group in self._groups.items() if key in mine]

    @property
    def active(self) -> list[ActiveRecord]:
        """The alerts that were active at some look."""
        return list(self._active.values())

    async def earlier(self, evidence: Evidence) -> list[AlertSamples] | None:
        """Fetch what fired before the drill; None when Prometheus does not answer."""
        return await self._answered("Prometheus", evidence.earlier(EARLIER_SECONDS))

    async def rules_at_end(self) -> list[RuleRecord] | None:
        """Fetch the rules again; None when Prometheus does not answer."""
        groups = await self._answered("Prometheus", self._prometheus.rule_groups())
        return None if groups is None else _rules(groups)

    async def prometheus_record(self) -> PrometheusRecord:
        """Make the record of the Prometheus server."""
        runtime = await self._answered("Prometheus", self._prometheus.runtime())
        offset = await self._answered("Prometheus", self._prometheus.clock_offset())
        version = await self._answered("Prometheus", self._prometheus.version())
        seen = [one for one in (self._started[0][1], runtime) if one is not None]
        flags = self._flags
        return PrometheusRecord(
            version=version or "unknown",
            started_at=_distinct(one.started_at for one in seen),
            loaded_at=_distinct(one.last_config_at for one in seen),
            for_grace_seconds=flags.for_grace_period_seconds if flags else None,
            resend_delay_seconds=flags.resend_delay_seconds if flags else None,
            lookback_seconds=flags.lookback_delta_seconds if flags else None,
            clock_ahead_seconds=offset.offset_seconds if offset else None,
            clock_unsure_seconds=offset.uncertainty_seconds if offset else 0.0,
        )

    @property
    def alertmanager_config(self) -> str:
        """Alertmanager's configuration at the start of the drill."""
        return self._started[0][0].config if self._started else ""

    async def webhook_calls(self, received: int) -> int | None:
        """Return how many calls of webhooks Alertmanager counts since the start; None if that cannot be compared.

        Alertmanager counts a request after its answer, so it is asked for a while until it counts those received.
        """
        before, peers = _webhooks(self._counts), self._started[0][0].cluster.peers
        if before is None or peers > 1:
            return None
        after: int | None = None
        for _ in range(_COUNT_LOOKS):
            after = _webhooks(await self._answered("Alertmanager", self._alertmanager.notification_counts()))
            if after is None or after - before >= received:
                break
            await asyncio.sleep(_BETWEEN_COUNTS_SECONDS)
        return None if after is None or after < before else after - before

    async def alertmanager_record(self) -> AlertmanagerRecord:
        """Make the record of Alertmanager."""
        first = self._started[0][0]
        status = await self._answered("Alertmanager", self._alertmanager.status())
        silences = await self._answered("Alertmanager", self._alertmanager.silences())
        counts = await self._answered("Alertmanager", self._alertmanager.notification_counts())
        # An expired silence matters only when it silenced an alert during the drill.
        silencing = {silence_id for one in self._held.values() for silence_id in one.silenced_by}
        return AlertmanagerRecord(
            version=first.version,
            config=without_secrets(first.config),
            config_at_end=without_secrets(status.config) if status else None,
            looks=self._looks_at_alertmanager,
            started_at=_distinct([first.started_at, status.started_at if status else None]),
            peers=max(first.cluster.peers, 1),
            silences=[
                SilenceRecord(
                    silence_id=silence.id,
                    matchers=[_matcher_text(matcher) for matcher in silence.matchers],
                    starts_at=silence.starts_at,
                    ends_at=silence.ends_at,
                    created_by=silence.created_by,
                    comment=silence.comment,
                )
                for silence in silences or ()
                if silence.state != "expired" or silence.id in silencing
            ],
            alerts=list(self._held.values()),
            deliveries=_deliveries(self._counts or [], counts or []),
        )


def _rules(groups: list[RuleGroup]) -> list[RuleRecord]:
    return [rule_record(group, rule) for group in groups for rule in group.rules]


def _distinct(instants: Iterable[float | None]) -> list[float]:
    # Two answers may round the same start differently.
    return sorted({round(instant, 3) for instant in instants if instant is not None})


def _suppression(alert: HeldAlert, first: float, last: float) -> SuppressionRecord:
    return SuppressionRecord(
        fingerprint=alert.fingerprint,
        labels=alert.labels,
        state=alert.state,
        receivers=[receiver.name for receiver in alert.receivers],
        silenced_by=list(alert.silenced_by),
        inhibited_by=list(alert.inhibited_by),
        muted_by=list(alert.muted_by),
        starts_at=alert.starts_at,
        first_seen_at=first,
        last_seen_at=last,
    )


def _matcher_text(matcher: SilenceMatcher) -> str:
    op = ("=" if matcher.is_equal else "!") + ("~" if matcher.is_regex else "" if matcher.is_equal else "=")
    return f"{matcher.name}{op}{json.dumps(matcher.value, ensure_ascii=False)}"


def _deliveries(before: list[NotificationCount], after: list[NotificationCount]) -> list[DeliveryRecord]:
    """Return what was sent during the drill; after a restart the server's counters begin at zero."""
    known = {(one.integration, one.receiver): one for one in before}
    deliveries = []
    for one in after:
        base = known.get((one.integration, one.receiver))
        is_new = base is None or base.attempts > one.attempts
        sent = one.attempts - (0.0 if is_new or base is None else base.attempts)
        failed = one.failed - (0.0 if is_new or base is None else base.failed)
        if sent or failed:
            name = f"{one.integration} of {one.receiver}" if one.receiver else one.integration
            deliveries.append(DeliveryRecord(integration=name, sent=round(sent), failed=round(failed)))
    return deliveries


def _webhooks(counts: list[NotificationCount] | None) -> int | None:
    """Return how many calls of webhooks were made at least; None if that is not counted."""
    found = [one for one in counts or () if one.integration == "webhook"]
    # The first is counted before a call, the second after it, and only the second counts repetitions.
    return round(sum(max(one.attempts, one.requests) for one in found)) if found else None
