"""The recording that a drill would have made of a simulated case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import promql_parser as promql

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    ActiveRecord,
    AlertmanagerRecord,
    AlertSamples,
    BetweenRecord,
    EvaluationRecord,
    FaultRecord,
    GroupRecord,
    HeldRecord,
    LoadRecord,
    NotificationRecord,
    PartRecord,
    PhaseRecord,
    PrometheusRecord,
    RuleRecord,
    SecondRecord,
    SeriesRecord,
    TargetRecord,
    WatchedRecord,
)
from alertdrill.agent.rules.expression import Anatomy
from alertdrill.units.duration import format_duration
from benchmarks.loads import honest
from simulator import Case, Truth
from simulator.promql import Absent, Compare, Expression, Quantile, Rate, Ratio, Selector
from simulator.storage import Storage, View
from simulator.values import NAME, Labels

ALERT = "Drawn"
GROUP = {"group": "drawn", "file": "rules.yml"}


@dataclass(frozen=True)
class Simulated:
    """A case with the truth of an engine, and the recording of it."""

    case: Case
    truth: Truth
    recording: Recording


def recorded(
    case: Case, truth: Truth | None = None, *, like: Simulated | None = None, resolves: bool = True
) -> Simulated:
    """Record a case: the truth of the right engine, unless another is given.

    `like` is a recording of the same case: what does not depend on the engine is taken from there.
    """
    truth = truth or case.run()
    begins, ends = case.begins / 1000, case.ends / 1000
    fault_at, healed_at = case.fault.of[0][0] / 1000, min(case.fault.of[-1][1] / 1000, ends)
    targets = _targets(case, truth)
    recording = Recording(
        alertdrill="0.1.0",
        drill=_drill(ends - begins, resolves=resolves),
        time_scale=1,
        started_at=begins,
        ended_at=ends,
        phases=[
            PhaseRecord(phase="baseline", started_at=begins, ended_at=fault_at),
            PhaseRecord(phase="fault", started_at=fault_at, ended_at=healed_at),
            PhaseRecord(phase="recovery", started_at=healed_at, ended_at=ends),
        ],
        faults=[FaultRecord(kind="step", target="service", settings={}, injected_at=fault_at, healed_at=healed_at)],
        load=like.recording.load if like else _load(begins, ends, fault_at, healed_at),
        prometheus=_prometheus(case),
        alertmanager=AlertmanagerRecord(version="0.25.0", config=_routing(case)),
        rules=[_rule(case)],
        rules_at_end=[_rule(case)],
        groups=[_group(case, truth)],
        watched=like.recording.watched if like else [_watched(case, truth)],
        targets=targets,
        active=_active(case, truth),
        alerts=_alerts(truth, lambda at: at >= case.begins),
        # The simulated servers start with the case: nothing fired before it.
        earlier=[one for one in _alerts(truth, lambda at: at < case.begins) if one.state == "firing"],
        earlier_since=begins - 7200,
        notifications=_notifications(truth),
        outages=[],
    )
    return Simulated(case, truth, recording)


def _drill(seconds: float, *, resolves: bool) -> Drill:
    within = format_duration(timedelta(seconds=seconds))
    expect = {"alert": ALERT, "within": within, "receiver": "pager", "resolves": resolves}
    return Drill.model_validate({"drill": "drawn", "load": {"rate": 10}, "expect": [expect]})


def _load(begins: float, ends: float, fault_at: float, healed_at: float) -> LoadRecord:
    def second(at: float) -> SecondRecord:
        slow = 100.0 if fault_at - 1 < at < healed_at else 1.0
        quantiles: dict[str, Any] = {f"p{q}_seconds": 0.01 * slow for q in (50, 95, 99)}
        return SecondRecord(at=at, due=10, succeeded=10, failed=0, dropped=0, in_flight=0, **quantiles)

    seconds = [second(begins + number) for number in range(int(ends - begins))]
    return honest(10, seconds, lateness_p99_seconds=0.001)


def _prometheus(case: Case) -> PrometheusRecord:
    starts = [case.begins / 1000 - 3600] + ([case.restart.up_at / 1000] if case.restart else [])
    return PrometheusRecord(
        version=case.version.value,
        started_at=starts,
        for_grace_seconds=case.flags.for_grace_period / 1000,
        clock_ahead_seconds=0.0,
    )


def _routing(case: Case) -> str:
    waits = {name: f"{getattr(case.routing, name)}ms" for name in ("group_wait", "group_interval", "repeat_interval")}
    spelled = ", ".join(f"{name}: {value}" for name, value in waits.items())
    by = ", ".join(case.routing.group_by)
    return f"route: {{receiver: pager, group_by: [{by}], {spelled}}}\nreceivers: [{{name: pager}}]\n"


def _rule(case: Case) -> RuleRecord:
    return RuleRecord(
        alert=case.rule.alert,
        **GROUP,
        expr=str(case.rule.expression),
        for_seconds=case.rule.hold / 1000,
        keep_firing_for_seconds=case.rule.keep / 1000,
        interval_seconds=case.group.interval / 1000,
        labels=dict(case.rule.labels),
        annotations={},
        health="ok",
    )


def _group(case: Case, truth: Truth) -> GroupRecord:
    evaluations = []
    for one in truth.evaluations:
        ran_at = one.ran_at / 1000
        errors = {case.rule.alert: "the query timed out"} if one.failed else {}
        evaluations.append(
            EvaluationRecord(at=ran_at, looked_before_at=ran_at - 0.1, looked_at=ran_at + 0.1, errors=errors)
        )
    interval, until = case.group.interval / 1000, case.ends / 1000
    return GroupRecord(**GROUP, interval_seconds=interval, evaluations=evaluations, looked_until=until)


def _alerts(truth: Truth, is_meant: Callable[[int], bool]) -> list[AlertSamples]:
    since = {labels: {s.at: s.value for s in samples} for labels, samples in truth.for_state.items()}
    found = []
    for labels, samples in truth.alerts.items():
        named = dict(labels)
        state = named.pop("alertstate")
        instants = [s.at for s in samples if s.value is not None and is_meant(s.at)]
        own = since.get(tuple(sorted(named.items())), {})
        found.append(
            AlertSamples(
                labels=named,
                state=state,  # type: ignore[arg-type]
                instants=[at / 1000 for at in instants],
                since=[int(own[at] or 0) for at in instants],
            )
        )
    return found


def _active(case: Case, truth: Truth) -> list[ActiveRecord]:
    return [
        ActiveRecord(
            labels=dict(life.labels), state="pending", active_at=life.active_at / 1000, seen_at=case.ends / 1000
        )
        for life in truth.lives
    ]


def _notifications(truth: Truth) -> list[NotificationRecord]:
    return [
        NotificationRecord(
            received_at=call.at / 1000,
            receiver=call.receiver,
            status=told.status,
            labels=dict(told.labels),
            starts_at=told.starts_at / 1000,
            ends_at=None if told.ends_at is None else told.ends_at / 1000,
        )
        for call in truth.notifications
        for told in call.alerts
    ]


def _targets(case: Case, truth: Truth) -> list[TargetRecord]:
    intervals = {target.instance: target for target in case.targets}
    records = []
    for labels, samples in truth.scraped.items():
        named = dict(labels)
        if named.get(NAME) != "up":
            continue
        seen = [s for s in samples if s.value is not None and s.at <= case.ends]
        target = intervals[named["instance"]]
        records.append(
            TargetRecord(
                job=named["job"],
                instance=named["instance"],
                interval_seconds=target.interval / 1000,
                timeout_seconds=target.timeout / 1000,
                instants=[s.at / 1000 for s in seen],
                up=[int(s.value or 0) for s in seen],
                durations_seconds=[(s.written_at - s.at) / 1000 for s in seen],
            )
        )
    return records


def _watched(case: Case, truth: Truth) -> WatchedRecord:
    view = View(_storage(truth), case.version, case.lookback)
    group = case.group
    instants = [at - group.query_offset for at in group.evaluation_instants(case.begins, case.ends)]
    instants = [at for at in instants if at >= case.begins]
    by_text = {_normal(str(one)): one for one in _expressions(case.rule.expression)}
    queries = [(text, by_text[_normal(text)]) for text in Anatomy(str(case.rule.expression)).queries]
    return WatchedRecord(
        alert=ALERT,
        **GROUP,
        first_at=instants[0] / 1000,
        interval_seconds=group.interval / 1000,
        count=len(instants),
        query_offset_seconds=group.query_offset / 1000,
        parts=[_part(text, one, view, instants) for text, one in queries],
        between=_between(case, view, instants),
    )


def _between(case: Case, view: View, instants: list[int]) -> BetweenRecord:
    """Evaluate the condition twice for each scrape, but only where an evaluation may lack one: the judge reads no other."""
    step = min(target.interval for target in case.targets) // 2
    reach = max(target.timeout for target in case.targets) + 2 * step
    first = case.begins - case.group.query_offset
    points = {(at - back - first) // step for at in instants for back in range(0, reach, step)}
    found: dict[Labels, list[tuple[int, int]]] = {}
    for point in sorted(point for point in points if point >= 0):
        for labels in case.rule.expression.evaluate(view, first + point * step):
            found.setdefault(labels, []).append((point, 1))
    series = [HeldRecord(labels=dict(labels), stretches=stretches) for labels, stretches in found.items()]
    count = (case.ends - first) // step + 1
    return BetweenRecord(first_at=first / 1000, step_seconds=step / 1000, count=count, series=series)


def _storage(truth: Truth) -> Storage:
    storage = Storage()
    for labels, samples in truth.scraped.items():
        for sample in samples:
            storage.write(labels, sample)
    return storage


def _part(text: str, expression: Expression, view: View, instants: list[int]) -> PartRecord:
    found: dict[Labels, dict[int, float]] = {}
    for number, at in enumerate(instants):
        for labels, value in expression.evaluate(view, at).items():
            found.setdefault(labels, {})[number] = value
    series = [
        SeriesRecord(labels=dict(labels), first=min(v), values=[v.get(n) for n in range(min(v), max(v) + 1)])
        for labels, v in sorted(found.items())
    ]
    return PartRecord(expr=text, series=series, total=len(series))


def _expressions(expression: Any) -> list[Any]:
    match expression:
        case Compare():
            inner = [expression.of]
        case Absent() | Rate():
            inner = [expression.of]
        case Quantile():
            inner = [expression.buckets]
        case Ratio():
            inner = [expression.part, expression.whole]
        case Selector():
            inner = []
    return [expression, *(deeper for one in inner for deeper in _expressions(one))]


def _normal(text: str) -> str:
    return str(promql.parse(text).prettify())
