"""Evaluates the shipped rules on the service: the result of each evaluation, and the alerts that follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Literal

import promql_parser as promql

from alertdrill.agent.config.rules import read_rules
from alertdrill.agent.recording.records import (
    AlertSamples,
    BetweenRecord,
    HeldRecord,
    PartRecord,
    RuleRecord,
    SeriesRecord,
    WatchedRecord,
)
from alertdrill.agent.rules.expression import Anatomy
from alertdrill.agent.verdict.engine import State, Status, step
from alertdrill.agent.verdict.evaluations import instants
from benchmarks.judging.promql import Evaluator
from benchmarks.judging.service import BEGINS, SECONDS

RULES = Path("configs/prometheus/rules.yml")
INTERVAL_SECONDS = 15.0
# Twice for each scrape of the targets with the shortest interval.
_BETWEEN_SECONDS = 2.5
_PHASE_SECONDS = {"critical": 2.0, "warning": 7.0, "info": 11.0}


def rules() -> list[RuleRecord]:
    """Return the shipped rules as Prometheus's API would."""
    return [
        RuleRecord(
            alert=rule.alert,
            group=group.name,
            file=str(RULES),
            expr=rule.expr,
            for_seconds=(rule.for_ or timedelta(0)).total_seconds(),
            keep_firing_for_seconds=(rule.keep_firing_for or timedelta(0)).total_seconds(),
            interval_seconds=INTERVAL_SECONDS,
            labels=rule.labels,
            annotations=rule.annotations,
            health="ok",
        )
        for group in read_rules(RULES).groups
        for rule in group.rules
        if rule.alert is not None
    ]


def first_at(group: str) -> float:
    """Return the time of a group's first evaluation (Unix seconds)."""
    return BEGINS + _PHASE_SECONDS[group]


def watched(rule: RuleRecord, evaluator: Evaluator) -> WatchedRecord:
    """Evaluate a rule and its parts at each of its evaluations, and between them."""
    first, count = first_at(rule.group), int((SECONDS - _PHASE_SECONDS[rule.group]) // INTERVAL_SECONDS) + 1
    return WatchedRecord(
        alert=rule.alert,
        group=rule.group,
        file=rule.file,
        first_at=first,
        interval_seconds=INTERVAL_SECONDS,
        count=count,
        parts=[_part(evaluator, expr, (first, count, INTERVAL_SECONDS)) for expr in Anatomy(rule.expr).queries],
        between=_between(evaluator, rule.expr),
    )


def _part(evaluator: Evaluator, expr: str, grid: tuple[float, int, float]) -> PartRecord:
    first, count, interval = grid
    node = promql.parse(expr)
    found: defaultdict[tuple[tuple[str, str], ...], dict[int, float]] = defaultdict(dict)
    for number in range(count):
        for labels, value in evaluator.at(node, first + number * interval).items():
            found[labels][number] = value
    series = [_numbered(dict(labels), values) for labels, values in sorted(found.items())]
    return PartRecord(expr=expr, series=series, total=len(series))


def _numbered(labels: dict[str, str], values: dict[int, float]) -> SeriesRecord:
    begin, end = min(values), max(values)
    return SeriesRecord(labels=labels, first=begin, values=[values.get(n) for n in range(begin, end + 1)])


def _between(evaluator: Evaluator, expr: str) -> BetweenRecord:
    count = int(SECONDS / _BETWEEN_SECONDS) + 1
    found = _part(evaluator, expr, (BEGINS, count, _BETWEEN_SECONDS)).series
    held = [HeldRecord(labels=one.labels, stretches=list(_stretches(one))) for one in found]
    return BetweenRecord(first_at=BEGINS, step_seconds=_BETWEEN_SECONDS, count=count, series=held)


def _stretches(series: SeriesRecord) -> Iterator[tuple[int, int]]:
    numbered = enumerate(series.values, series.first)
    for is_there, stretch in groupby(numbered, lambda pair: pair[1] is not None):
        numbers = [number for number, _ in stretch]
        if is_there:
            yield numbers[0], len(numbers)


def alerts(rule: RuleRecord, record: WatchedRecord) -> list[AlertSamples]:
    """Run Prometheus's state machine over the results of the evaluations."""
    return [samples for series in record.parts[0].series for samples in _alert(rule, record, series)]


def _alert(rule: RuleRecord, record: WatchedRecord, series: SeriesRecord) -> Iterator[AlertSamples]:
    state, found = State(), defaultdict[Status, list[tuple[float, int]]](list)
    values = dict(enumerate(series.values, series.first))
    for number, at in enumerate(instants(record)):
        state = step(state, at, rule, holds=values.get(number) is not None)
        found[state.status].append((at, int(state.active_at)))
    labels = {name: value for name, value in series.labels.items() if name != "__name__"}
    labels |= rule.labels | {"alertname": rule.alert}
    states: tuple[Literal["pending", "firing"], ...] = ("pending", "firing")
    for status in states:
        if found[status]:
            since = [active_at for _, active_at in found[status]]
            yield AlertSamples(labels=labels, state=status, instants=[at for at, _ in found[status]], since=since)
