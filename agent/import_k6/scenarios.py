"""Converts a scenario of k6 to `load:`, if it starts iterations at a rate.

To convert another executor: one function, one row in `_EXECUTORS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alertdrill.agent.import_k6.durations import duration, milliseconds_of
from alertdrill.agent.import_k6.notes import NotCarried, Notes
from alertdrill.agent.import_k6.rates import rate, stages
from alertdrill.agent.import_k6.values import Value, YamlKeys, entries, plain

_CARRIED = {"executor", "rate", "timeUnit", "duration", "startRate", "stages", "gracefulStop", "exec"}
_KEEPS_USERS_BUSY = "keeps virtual users busy, so its rate depends on the answers; write a load with rates"
_COUNTS_ITERATIONS = "counts iterations; write a load with a rate and a duration"
_OTHER_EXECUTORS = {
    "constant-vus": _KEEPS_USERS_BUSY,
    "ramping-vus": _KEEPS_USERS_BUSY,
    "shared-iterations": _COUNTS_ITERATIONS,
    "per-vu-iterations": _COUNTS_ITERATIONS,
    "externally-controlled": "is controlled from outside while it runs; a load is fixed in its file",
}
_NO_USERS = "an open loop needs no virtual users; max_in_flight limits the transactions in flight"
_LEFT_OUT = {"preAllocatedVUs": _NO_USERS, "maxVUs": _NO_USERS, "startTime": "a load starts at once"}


def read_scenario(scenario: Value) -> tuple[YamlKeys, str]:
    """Return the load of a scenario, and the name of its function; raises NotCarried."""
    parts = entries(scenario, "executor")
    executor = str(plain(parts["executor"]))
    if executor not in _EXECUTORS:
        why = _OTHER_EXECUTORS.get(executor, "is not an executor of k6")
        raise NotCarried(parts["executor"].line, f"{executor} {why}")
    per_seconds = milliseconds_of(parts["timeUnit"]) / 1000 if "timeUnit" in parts else 1
    settings = _EXECUTORS[executor](scenario, per_seconds)
    if "gracefulStop" in parts:
        settings["graceful_stop"] = duration(parts["gracefulStop"])
    return settings, function_of(scenario)


def function_of(scenario: Value) -> str:
    """Return the name of the function that a scenario runs; raises NotCarried."""
    parts = entries(scenario)
    return str(plain(parts["exec"])) if "exec" in parts else "default"


def note_left_out(path: str, scenario: Value, notes: Notes) -> None:
    """Note the parts of a scenario that its load does not have."""
    for key, value in entries(scenario).items():
        if key not in _CARRIED:
            notes.not_carried(value.line, f"{path}.{key}", _LEFT_OUT.get(key, "a load has no such setting"))


def _constant_rate(scenario: Value, per_seconds: float) -> YamlKeys:
    parts = entries(scenario, "rate", "duration")
    return {"rate": rate(parts["rate"], per_seconds), "duration": duration(parts["duration"])}


def _ramping_rate(scenario: Value, per_seconds: float) -> YamlKeys:
    parts = entries(scenario, "stages")
    start: dict[str, Any] = {"start_rate": rate(parts["startRate"], per_seconds)} if "startRate" in parts else {}
    return start | {"stages": stages(parts["stages"], per_seconds)}


_EXECUTORS: dict[str, Callable[[Value, float], YamlKeys]] = {
    "constant-arrival-rate": _constant_rate,
    "ramping-arrival-rate": _ramping_rate,
}
