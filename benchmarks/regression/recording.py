"""The recording that a drill would have made of drawn series: jittered scrapes, and the states that promtool gives."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    AlertmanagerRecord,
    AlertSamples,
    FaultRecord,
    PhaseRecord,
    PrometheusRecord,
    RuleRecord,
    TargetRecord,
)
from alertdrill.agent.recording.replay import ReplayRecord, packed
from alertdrill.agent.regression.case import InputSeries, Timeline
from alertdrill.agent.regression.promtool import Job, Promtool
from alertdrill.agent.regression.rule_slice import RuleSlice, timeline_of
from alertdrill.units.duration import format_duration
from benchmarks.loads import honest
from benchmarks.regression.drawn import SCRAPE_MS, Drawn

_START = 1_790_000_000.0
_JITTER_MS = 20


@dataclass(frozen=True)
class Situation:
    """Drawn series that fire an alert, and its state at each evaluation."""

    sliced: RuleSlice
    evaluation_ms: int
    drawn: Drawn
    timeline: Timeline

    def replayed(self, promtool: Promtool, sliced: RuleSlice) -> Timeline:
        """Return what another rule does on the same series."""
        return states(promtool, sliced, self.evaluation_ms, self.drawn)


def states(promtool: Promtool, sliced: RuleSlice, evaluation_ms: int, drawn: Drawn) -> Timeline:
    """Return the state of an alert at each evaluation; raises ValueError if promtool cannot evaluate its rule."""
    count = drawn.times.ends // evaluation_ms
    queries = sliced.queries([evaluation_ms * number for number in range(count)])
    (answer,) = promtool.run([Job(sliced.rules, evaluation_ms, drawn.lines, queries)])
    if answer.error:
        raise ValueError(answer.error)
    return timeline_of(answer, count)


def recorded(situation: Situation, version: str) -> Recording:
    """Return the recording of a situation on a Prometheus of a version."""
    times = situation.drawn.times
    began, faulty, healed, ended = (_at(at) for at in (times.drill, times.begins, times.heals, times.ends))
    return Recording(
        alertdrill="0.1.0",
        drill=_drill(situation),
        time_scale=1,
        started_at=began,
        ended_at=ended,
        phases=[
            PhaseRecord(phase="baseline", started_at=began, ended_at=faulty),
            PhaseRecord(phase="fault", started_at=faulty, ended_at=healed),
            PhaseRecord(phase="recovery", started_at=healed, ended_at=ended),
        ],
        faults=[FaultRecord(kind="step", target="shop", settings={}, injected_at=faulty, healed_at=healed)],
        load=honest(10, []),
        prometheus=PrometheusRecord(
            version=version, started_at=[_START - 3600], for_grace_seconds=600, clock_ahead_seconds=0
        ),
        alertmanager=AlertmanagerRecord(version="0.25.0", config="route: {receiver: pager}\nreceivers: [{name: pager}]\n"),
        rules=_rules(situation),
        groups=[],
        watched=[],
        targets=[],
        active=[],
        alerts=list(_alerts(situation)),
        earlier=[],
        earlier_since=began - 7200,
        notifications=[],
        outages=[],
        replay=_replay(situation.drawn.lines, situation.sliced.alert),
    )  # fmt: skip


def _at(milliseconds: float) -> float:
    return _START + milliseconds / 1000


def _drill(situation: Situation) -> Drill:
    times = situation.drawn.times
    within = format_duration(timedelta(milliseconds=times.heals - times.begins))
    expect = {"alert": situation.sliced.alert, "within": within, "resolves": False}
    return Drill.model_validate({"drill": "drawn", "load": {"rate": 10}, "expect": [expect]})


def _rules(situation: Situation) -> list[RuleRecord]:
    return [
        RuleRecord(
            alert=situation.sliced.alert,
            group=one.group.name,
            file=one.file,
            expr=one.rule.expr,
            for_seconds=(one.rule.for_ or timedelta()).total_seconds(),
            keep_firing_for_seconds=(one.rule.keep_firing_for or timedelta()).total_seconds(),
            interval_seconds=situation.evaluation_ms / 1000,
            labels=one.rule.labels,
            annotations={},
            health="ok",
        )
        for one in situation.sliced.reads.rules
        if one.rule.alert
    ]


def _alerts(situation: Situation) -> Iterable[AlertSamples]:
    for labels, letters in situation.timeline.items():
        for state in ("pending", "firing"):
            numbers = [number for number, letter in enumerate(letters) if letter == state[0]]
            instants = [
                at for number in numbers if (at := number * situation.evaluation_ms) >= situation.drawn.times.drill
            ]
            if instants:
                yield AlertSamples(labels=dict(labels), state=state, instants=[_at(at) for at in instants])


def _replay(lines: Iterable[InputSeries], alert: str) -> ReplayRecord:
    """Return the samples: each scrape of a target comes some milliseconds early or late."""
    draw, jitter = random.Random(alert), dict[tuple[tuple[str, str], int], int]()  # noqa: S311 - the same in each run
    samples, seen = [], dict[tuple[str, str], int]()
    for line in lines:
        labels = dict(line.labels)
        target = labels.get("job", ""), labels.get("instance", "")
        seen[target] = len(line.values)
        at = [
            line.offset_ms + n * line.step_ms
            + jitter.setdefault((target, n), draw.randint(-_JITTER_MS, _JITTER_MS))
            for n in range(len(line.values))
        ]  # fmt: skip
        found = [(_at(one), value) for one, value in zip(at, line.values, strict=True) if isinstance(value, float)]
        if found:
            samples.append((labels, found))
    instants, series = packed(_START, samples)
    first = next(iter(lines), None)
    phase = first.offset_ms if first is not None else 0
    targets = [
        TargetRecord(
            job=job, instance=instance, interval_seconds=SCRAPE_MS / 1000, timeout_seconds=10,
            instants=[_at(phase + n * SCRAPE_MS + jitter[(job, instance), n]) for n in range(count)],
            up=[1] * count, durations_seconds=[0.005] * count,
        )
        for (job, instance), count in sorted(seen.items())
    ]  # fmt: skip
    return ReplayRecord(since=_START, files={}, instants=instants, series=series, targets=targets)
