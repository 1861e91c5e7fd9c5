"""Makes the recording of a drill of two hours: the service, its load, the shipped rules, and the notifications."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from alertdrill import __version__
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    ActiveRecord,
    AlertmanagerRecord,
    AlertSamples,
    EvaluationRecord,
    FaultRecord,
    GroupRecord,
    LoadRecord,
    NotificationRecord,
    PhaseRecord,
    PrometheusRecord,
    RuleRecord,
    SecondRecord,
    TargetRecord,
)
from alertdrill.agent.rules.routing import routes
from benchmarks.judging.evaluation import INTERVAL_SECONDS, alerts, first_at, rules, watched
from benchmarks.judging.promql import Evaluator
from benchmarks.judging.service import BEGINS, ENDS, FAULT_BEGINS, FAULT_ENDS, SECONDS, ScrapeTarget, exposed, targets
from benchmarks.loads import honest

_ALERTMANAGER = Path("configs/alertmanager/alertmanager.yml")
_EARLIER_SECONDS = 1500.0
_LOOK_EVERY_SECONDS = 1.0
_RATE = 100


def recording() -> Recording:
    """Return the recording; it is the same each time."""
    evaluator, served = Evaluator(exposed()), rules()
    records = [watched(rule, evaluator) for rule in served]
    samples = [one for rule, record in zip(served, records, strict=True) for one in alerts(rule, record)]
    config = _ALERTMANAGER.read_text(encoding="utf-8")
    return Recording(
        alertdrill=__version__,
        drill=_drill(served, config),
        time_scale=1.0,
        started_at=BEGINS,
        ended_at=ENDS,
        phases=[
            PhaseRecord(phase="baseline", started_at=BEGINS, ended_at=FAULT_BEGINS),
            PhaseRecord(phase="fault", started_at=FAULT_BEGINS, ended_at=FAULT_ENDS),
            PhaseRecord(phase="recovery", started_at=FAULT_ENDS, ended_at=ENDS),
        ],
        faults=[FaultRecord(kind="latency", target="db", settings={}, injected_at=FAULT_BEGINS, healed_at=FAULT_ENDS)],
        load=_load(),
        prometheus=PrometheusRecord(version="3.5.0", started_at=[BEGINS - 86_400], for_grace_seconds=600),
        alertmanager=AlertmanagerRecord(version="0.28.1", config=config),
        rules=served,
        rules_at_end=served,
        groups=[_group(name, file) for name, file in dict.fromkeys((rule.group, rule.file) for rule in served)],
        watched=records,
        targets=[_target(target) for target in targets()],
        active=[_active(one) for one in samples if one.state == "pending"],
        alerts=samples,
        earlier_since=BEGINS - _EARLIER_SECONDS,
        notifications=list(_notifications(samples, config)),
        outages=[],
    )


def _drill(served: Iterable[RuleRecord], config: str) -> Drill:
    expect = [
        {"alert": rule.alert, "within": "30m", "receiver": routes(config, rule.labels)[0].receiver} for rule in served
    ]
    return Drill.model_validate({"drill": "two-hours", "load": {"rate": _RATE}, "baseline": "30m", "expect": expect})


def _load() -> LoadRecord:
    seconds = [_second(number) for number in range(int(SECONDS))]
    return honest(_RATE, seconds, lateness_p99_seconds=0.0004)


def _second(number: int) -> SecondRecord:
    at = BEGINS + number + 0.123456
    slow = 60 if FAULT_BEGINS <= at < FAULT_ENDS else 1
    p50 = (0.01 + 0.001 * math.sin(number)) * slow
    counts = {"due": _RATE, "succeeded": _RATE, "failed": 0, "dropped": 0, "in_flight": number % 7 * slow}
    return SecondRecord(at=at, p50_seconds=p50, p95_seconds=3.1 * p50, p99_seconds=4.7 * p50, **counts)


def _group(name: str, file: str) -> GroupRecord:
    """Return a group whose evaluations begin a few milliseconds late and are each seen at the next look."""
    begun = [first_at(name) + number * INTERVAL_SECONDS + 0.003 for number in range(int(SECONDS / INTERVAL_SECONDS))]
    evaluations = [
        EvaluationRecord(at=at, looked_before_at=at - 0.4, looked_at=at - 0.4 + _LOOK_EVERY_SECONDS) for at in begun
    ]
    return GroupRecord(group=name, file=file, interval_seconds=INTERVAL_SECONDS, evaluations=evaluations)


def _target(target: ScrapeTarget) -> TargetRecord:
    count = int((SECONDS - target.phase_seconds) / target.interval_seconds) + 1
    instants = [round(BEGINS + target.phase_seconds + n * target.interval_seconds, 3) for n in range(count)]
    return TargetRecord(
        job=target.job,
        instance=target.instance,
        interval_seconds=target.interval_seconds,
        timeout_seconds=target.interval_seconds,
        instants=instants,
        up=[1] * count,
        durations_seconds=[0.0123 + 0.001 * (number % 11) for number in range(count)],
    )


def _active(samples: AlertSamples) -> ActiveRecord:
    first, last = samples.instants[0], samples.instants[-1]
    return ActiveRecord(labels=samples.labels, state="pending", active_at=first, seen_at=last)


def _notifications(samples: Iterable[AlertSamples], config: str) -> Iterable[NotificationRecord]:
    """Notify the receiver of each alert after the group's wait, and again when the alert is resolved."""
    for one in samples:
        if one.state == "firing":
            route, starts_at = routes(config, one.labels)[0], one.instants[0]
            common = {"receiver": route.receiver, "labels": one.labels, "starts_at": starts_at}
            received_at = starts_at + route.group_wait.total_seconds() + 0.02
            yield NotificationRecord(received_at=received_at, status="firing", ends_at=None, **common)
            ended_at = one.instants[-1] + INTERVAL_SECONDS
            received_at = ended_at + route.group_interval.total_seconds()
            if received_at < ENDS:
                yield NotificationRecord(received_at=received_at, status="resolved", ends_at=ended_at, **common)
