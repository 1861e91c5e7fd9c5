"""One run: quiet time, fault, recovery; observed and recorded with the same modules as a drill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import aiohttp

from alertdrill import __version__
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.drilling.evidence import Evidence
from alertdrill.agent.drilling.observer import EARLIER_SECONDS, Observer
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    FaultRecord,
    LoadRecord,
    NotificationRecord,
    PhaseRecord,
    SecondRecord,
    TargetRecord,
    WatchedRecord,
)
from alertdrill.agent.serving.door import Door
from alertdrill.agent.serving.server import serving
from alertdrill.agent.serving.webhook import Inbox
from alertdrill.agent.verdict.evaluations import skipped
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Verdict
from benchmarks.loads import honest
from benchmarks.predictions.cases import FAULT_SECONDS, SCRAPE_SECONDS, Case, slowed
from benchmarks.predictions.stage import Programs, Stage, staged

# Alerts caused by the start of Prometheus, or by late scrapes on a busy machine, are resolved by then.
_SETTLED_SECONDS, _LONGEST_SETTLING_SECONDS = 2.0, 30.0
_QUIET_SECONDS = 6.0
_RECOVERY_SECONDS = 9.0
_LOOK_EVERY_SECONDS = 0.2
_RATE = 10.0
# How late a scrape may be, or how long it may take, for the predictions to hold.
SCRAPE_TOLERANCE_SECONDS = 0.05


@dataclass(frozen=True)
class Result:
    """The recording of a run, the verdict for each alert, and when the fault began (Unix seconds).

    The cases, as they ran, took `slowness` times as long as written.
    """

    cases: Sequence[Case]
    recording: Recording
    verdicts: dict[str, Verdict]
    fault_at: float
    slowness: int

    @property
    def disturbances(self) -> list[str]:
        """Return how the machine kept Prometheus from its schedule: late or slow scrapes, skipped evaluations."""
        limit = SCRAPE_TOLERANCE_SECONDS * self.slowness
        interval = SCRAPE_SECONDS * self.slowness
        found = [
            f"evaluations of {group.group} skipped"
            for group in self.recording.groups
            if any(at >= self.fault_at for at in skipped(group))
        ]
        for target in self.recording.targets:
            longest = max((after - at for at, after in pairwise(target.instants)), default=0.0)
            # One that hangs takes the whole interval, as it should.
            slowest = max((took for took in target.durations_seconds if took < interval), default=0.0)
            if longest > interval + limit:
                found.append(f"no scrape of {target.job} for {longest:.3f} s")
            if slowest > limit:
                found.append(f"a scrape of {target.job} took {slowest:.3f} s")
        return found


async def run_cases(written: Sequence[Case], programs: Programs, *, slowness: int = 1, restart: bool = False) -> Result:
    """Run the cases with one fault, and judge them; `restart` kills and restarts Prometheus during the fault.

    On a busy machine, let everything but the ranges take `slowness` times as long.
    """
    cases = [slowed(case, slowness) for case in written]
    drill, fault_seconds = _drill(cases, slowness), FAULT_SECONDS * slowness
    async with staged(cases, programs, slowness) as stage:
        await _silence(stage, "Silenced")
        prometheus = Prometheus(MonitoringServer(url=stage.url("prometheus")))
        alertmanager = Alertmanager(MonitoringServer(url=stage.url("alertmanager")))
        notifications: list[NotificationRecord] = []
        inbox = Inbox(notifications.extend)
        async with prometheus, alertmanager, serving([inbox.route(Door())], stage.listen):
            observer = Observer(prometheus, alertmanager, drill, lambda _: None)
            await observer.begin()
            await _settle(observer, slowness)
            started_at = time.time()
            await _watch(observer, _QUIET_SECONDS * slowness)
            stage.clock.begins_at = time.time()
            if restart:
                await _watch(observer, fault_seconds / 4)
                await stage.restart("prometheus")
            await _watch(observer, stage.clock.begins_at + fault_seconds - time.time())
            stage.clock.ends_at = time.time()
            await _watch(observer, _RECOVERY_SECONDS * slowness)
            recording = await _recorded(drill, stage, observer, notifications, prometheus, started_at)
    verdicts = {verdict.alert: verdict for verdict in judge(recording).verdicts}
    return Result(cases, recording, verdicts, stage.clock.begins_at, slowness)


async def _watch(observer: Observer, seconds: float) -> None:
    until = time.time() + seconds
    while time.time() < until:
        await observer.look()
        await asyncio.sleep(min(_LOOK_EVERY_SECONDS, max(until - time.time(), 0.0)))


async def _settle(observer: Observer, slowness: int) -> None:
    """Wait until no alert has been active for two seconds, at most 30 s; slowed like all else."""
    began, quiet_since = time.time(), time.time()
    settled, longest = _SETTLED_SECONDS * slowness, _LONGEST_SETTLING_SECONDS * slowness
    while time.time() - quiet_since < settled and time.time() - began < longest:
        await _watch(observer, _LOOK_EVERY_SECONDS)
        if observer.states:
            quiet_since = time.time()


async def _silence(stage: Stage, alert: str) -> None:
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "alertname", "value": alert, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "somebody",
        "comment": "planned work",
    }
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        await session.post(f"{stage.url('alertmanager')}/api/v2/silences", json=silence)


def _drill(cases: Sequence[Case], slowness: int) -> Drill:
    within = f"{20 * slowness}s"
    expect = [
        {"alert": case.alert, "labels": case.labels, "within": within, "receiver": case.receiver} for case in cases
    ]
    return Drill.model_validate({"drill": "predictions", "load": {"rate": _RATE}, "expect": expect})


async def _recorded(  # noqa: PLR0913, PLR0917 - all sources of a recording
    drill: Drill,
    stage: Stage,
    observer: Observer,
    notifications: list[NotificationRecord],
    prometheus: Prometheus,
    started_at: float,
) -> Recording:
    ended_at = time.time()
    evidence = Evidence(prometheus, started_at, ended_at)
    alerts = await evidence.alerts()
    watched: list[WatchedRecord] = []
    targets: dict[tuple[str, str], TargetRecord] = {}
    for rule in observer.rules:
        record, behind = await evidence.watched(rule, observer.groups, alerts, observer.active)
        watched.append(record)
        targets |= {(target.job, target.instance): target for target in behind}
    begins, ends = stage.clock.begins_at, stage.clock.ends_at
    return Recording(
        alertdrill=__version__,
        drill=drill,
        time_scale=1.0,
        started_at=started_at,
        ended_at=ended_at,
        phases=[
            PhaseRecord(phase="baseline", started_at=started_at, ended_at=begins),
            PhaseRecord(phase="fault", started_at=begins, ended_at=ends),
            PhaseRecord(phase="recovery", started_at=ends, ended_at=ended_at),
        ],
        faults=[FaultRecord(kind="step", target="exporter", settings={}, injected_at=begins, healed_at=ends)],
        load=_load(started_at, ended_at, begins, ends),
        prometheus=await observer.prometheus_record(),
        alertmanager=await observer.alertmanager_record(),
        rules=observer.rules,
        rules_at_end=await observer.rules_at_end(),
        groups=observer.groups,
        watched=watched,
        targets=list(targets.values()),
        active=observer.active,
        alerts=alerts,
        earlier=await evidence.earlier(EARLIER_SECONDS),
        earlier_since=started_at - EARLIER_SECONDS,
        notifications=notifications,
        outages=observer.outages,
    )


def _load(started_at: float, ended_at: float, begins: float, ends: float) -> LoadRecord:
    """Return the record of a load: there is none, but the judge expects traffic that the fault slows down."""

    def second(at: float) -> SecondRecord:
        latency = 0.5 if begins <= at < ends else 0.05
        counts = {"due": int(_RATE), "succeeded": int(_RATE), "failed": 0, "dropped": 0, "in_flight": 0}
        return SecondRecord(at=at, p50_seconds=latency, p95_seconds=latency, p99_seconds=latency, **counts)

    seconds = [second(started_at + number) for number in range(int(ended_at - started_at))]
    return honest(_RATE, seconds)
