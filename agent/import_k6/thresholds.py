"""Converts k6's thresholds to ours: a bare number as the limit of a time is in milliseconds, and gets its unit.

The text of the script stays beside it as `written_as`, so that the summary has it as its key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from alertdrill.agent.import_k6.durations import duration, milliseconds_text, whole_milliseconds
from alertdrill.agent.import_k6.environment import Environment
from alertdrill.agent.import_k6.notes import NotCarried, Notes, refusal_as_not_carried
from alertdrill.agent.import_k6.values import EnvText, Value, constant, entries, items
from alertdrill.probes.figures.expression import Expression, expression_text, parse
from alertdrill.probes.figures.measures import METRICS, Trend, split
from alertdrill.probes.figures.thresholds import Thresholds, unmatched

_THRESHOLDS: TypeAdapter[Thresholds] = TypeAdapter(Thresholds)
_CARRIED = {"threshold", "abortOnFail", "delayAbortEval"}
_Written = str | dict[str, Any]


# Names of figures that k6 does not have, so that a script may give them to metrics of its own.
_OURS = {"in_flight", "lateness", "latency"}


@dataclass(frozen=True)
class ThresholdSubjects:
    """What thresholds may be about: the names of requests and of checks, and the scenarios that are carried over.

    `whole_iteration` is false where an iteration of k6 takes longer, because of sleeps and of requests that were lost.
    """

    names: Collection[str]
    checks: Collection[str]
    scenarios: Mapping[str, Value]
    whole_iteration: bool
    environment: Environment


def read_thresholds(thresholds: Value, subjects: ThresholdSubjects, notes: Notes) -> dict[str, Any]:
    """Return the thresholds by metric, each a text or a mapping."""
    read: dict[str, list[_Written]] = {}
    for key, threshold in _one_by_one(thresholds, notes):
        try:
            canonical, written = _threshold(_without_scenario(key, subjects), threshold, subjects)
        except NotCarried as reason:
            notes.lost(f"threshold on {key}", reason)
            continue
        read.setdefault(canonical, []).append(written)
    return read


def _one_by_one(thresholds: Value, notes: Notes) -> Iterator[tuple[str, Value]]:
    try:
        metrics = entries(thresholds)
    except NotCarried as reason:
        notes.lost("options.thresholds", reason)
        return
    for key, of_metric in metrics.items():
        try:
            yield from ((key, threshold) for threshold in items(of_metric))
        except NotCarried as reason:
            notes.lost(f"threshold on {key}", reason)


def _without_scenario(key: str, subjects: ThresholdSubjects) -> str:
    """Leave out the tag of the only scenario, which all samples have."""
    only = next(iter(subjects.scenarios), "default")
    is_only = len(subjects.scenarios) <= 1
    return key.partition("{")[0] if is_only and key.replace(" ", "").endswith(f"{{scenario:{only}}}") else key


def _require_metric(line: int, key: str, subjects: ThresholdSubjects) -> None:
    metric = split(key)[0].strip()
    if metric in _OURS or (metric not in METRICS and not metric.startswith(_BUILT_IN)):
        raise NotCarried(line, f"unknown metric {metric!r}, a metric of the script's own has no counterpart")
    if metric == "iteration_duration" and not subjects.whole_iteration:
        raise NotCarried(line, "k6's iteration lasts through its sleeps and through requests that are not carried over")


_BUILT_IN = ("http_req", "iteration", "vus", "data_", "dropped_", "group_", "ws_", "grpc_", "checks")


def _threshold(key: str, value: Value, subjects: ThresholdSubjects) -> tuple[str, _Written]:
    parts = entries(value, "threshold") if isinstance(value.content, dict) else {"threshold": value}
    unknown = [part for part in parts if part not in _CARRIED]
    if unknown:
        raise NotCarried(parts[unknown[0]].line, f"{unknown[0]} is unknown")
    line, source = parts["threshold"].line, constant(parts["threshold"])
    if isinstance(source, EnvText):
        source = subjects.environment.required(line, source)
    _require_metric(line, key, subjects)
    written: dict[str, Any] = {"threshold": _expression(line, key, source)}
    if written["threshold"] != source.strip():
        written["written_as"] = source.strip()
    if constant(parts.get("abortOnFail", Value(line, False))):
        written["abort_on_fail"] = True
    if "delayAbortEval" in parts:
        written["delay_abort_eval"] = duration(parts["delayAbortEval"])
    canonical = _canonical(line, key, written)
    problem = unmatched([canonical], subjects.names, subjects.checks).get(canonical)
    if problem:
        raise NotCarried(line, problem)
    return canonical, written if len(written) > 1 else written["threshold"]


def _canonical(line: int, key: str, written: dict[str, Any]) -> str:
    """Return the key as a probe file has it; raises NotCarried where a probe file would refuse it."""
    with refusal_as_not_carried(line):
        return next(iter(_THRESHOLDS.validate_python({key: [written]})))


def _expression(line: int, key: str, source: object) -> str:
    if isinstance(source, EnvText) or not isinstance(source, str):
        raise NotCarried(line, f"{source!r} is not a threshold with a constant limit")
    with refusal_as_not_carried(line):
        expression = parse(source)
    metric = METRICS.get(split(key)[0].strip())
    if metric is None or metric.kind is not Trend or isinstance(expression.bound, timedelta):
        return expression_text(expression)
    return f"{expression.figure}{expression.comparison}{_time(line, expression)}"


def _time(line: int, expression: Expression) -> str:
    return milliseconds_text(whole_milliseconds(line, Decimal(repr(expression.bound))))
