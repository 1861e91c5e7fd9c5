"""Looks in a recording for what a `passed` needs, without the judge: by plain reading of the file's values.

What it asks for is necessary and not sufficient: the judge looks at much more. So whatever it misses in a recording that
was judged `passed` is a mistake of the judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import yaml

from alertdrill.units.duration import parse_duration

_ROUNDED_SECONDS = 0.002
_DEFAULT_WITHIN = "15m"
# Rounded clocks: a sample is exact to the millisecond, and a call may come a little before its evaluation is written.
_SLACK_SECONDS = 1.05
_Json = dict[str, Any]


def missing_evidence(recording: _Json, expected: _Json) -> str:
    """Return what a recording does not have although an expectation of its drill passed; empty if it has all."""
    if recording.get("aborted"):
        return "the drill was broken off"
    if recording["outages"]:
        return "a server could not be asked"
    if not any(rule["alert"] == expected["alert"] for rule in recording["rules"]):
        return "no rule makes the alert"
    firing = [(labels, at) for labels, at in _firings(recording, expected) if _is_in_time(recording, expected, at)]
    if not firing:
        return "the alert did not fire between the fault and its `within`"
    if expected.get("receiver") is not None:
        firing = [one for one in firing if _is_told(recording, expected, *one)]
        if not firing:
            return "no call of the receiver about this alert after it fired"
        if not _may_lead_there(recording, expected["receiver"]):
            return "neither Alertmanager's routes nor its list have the receiver"
    if expected.get("resolves", True) and not any(_ends(recording, *one) for one in firing):
        return "the alert did not end"
    return ""


def _firings(recording: _Json, expected: _Json) -> Iterator[tuple[_Json, float]]:
    """Yield the labels and the instant of each firing sample that has the expected labels."""
    wanted = {"alertname": expected["alert"]} | expected.get("labels", {})
    for series in recording["alerts"]:
        labels = series["labels"]
        if series["state"] == "firing" and all(labels.get(name, "") == value for name, value in wanted.items()):
            yield from ((labels, float(at)) for at in series["instants"] if float(at) >= float(recording["started_at"]))


def _is_in_time(recording: _Json, expected: _Json, at: float) -> bool:
    fault_at = _fault_at(recording)
    within = parse_duration(expected.get("within", _DEFAULT_WITHIN)).total_seconds()
    fired_at = at + _offset(recording, expected["alert"])
    last = min(fault_at + within, float(recording["ended_at"]))
    return fault_at - _SLACK_SECONDS <= fired_at <= last + _SLACK_SECONDS


def _fault_at(recording: _Json) -> float:
    faults = [float(fault["injected_at"]) for fault in recording["faults"]]
    baselines = [float(phase["ended_at"]) for phase in recording["phases"] if phase["phase"] == "baseline"]
    return min(faults, default=next(iter(baselines), float(recording["started_at"])))


def _offset(recording: _Json, alert: str) -> float:
    """Return how much older the data of an evaluation is than the evaluation."""
    watched = (one for one in recording.get("watched", []) if one["alert"] == alert)
    return next((float(one.get("query_offset_seconds", 0.0)) for one in watched), 0.0)


def _is_told(recording: _Json, expected: _Json, labels: _Json, at: float) -> bool:
    """Return whether the receiver was called about an alert of this name, in the time that the drill lasted."""
    earliest = at + _offset(recording, expected["alert"]) - _SLACK_SECONDS
    return any(
        call["receiver"] == expected["receiver"]
        and call["status"] == "firing"
        and call["labels"].get("alertname") == labels["alertname"]
        and earliest <= float(call["received_at"]) <= float(recording["ended_at"]) + _SLACK_SECONDS
        for call in recording["notifications"]
    )


def _may_lead_there(recording: _Json, receiver: str) -> bool:
    """Return whether Alertmanager's list or routes name a receiver; also if they name none, or nobody checked calls."""
    if recording.get("calls") is None:
        return True
    server = recording["alertmanager"]
    named = {name for alert in server.get("alerts", []) for name in alert["receivers"]}
    for key in ("config", "config_at_end"):
        named |= set(_receivers(_route(server.get(key) or "")))
    return not named or receiver in named


@lru_cache(maxsize=64)
def _route(config: str) -> Any:  # noqa: ANN401 - YAML
    try:
        values = yaml.load(config, Loader=yaml.CBaseLoader)  # noqa: S506 - the loader of texts alone
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return values.get("route") if isinstance(values, dict) else None


def _receivers(route: Any) -> Iterator[str]:  # noqa: ANN401 - YAML
    if isinstance(route, dict):
        yield str(route.get("receiver", ""))
        for child in route.get("routes") or ():
            yield from _receivers(child)


def _ends(recording: _Json, labels: _Json, at: float) -> bool:
    """Return whether there is a gap in the samples of an alert after it fired, before the drill's end."""
    instants = {
        float(one) for series in recording["alerts"] if series["labels"] == labels for one in series["instants"]
    }
    later = [*sorted(one for one in instants if one >= at), float(recording["ended_at"])]
    intervals = [float(rule["interval_seconds"]) for rule in recording["rules"] if rule["alert"] == labels["alertname"]]
    return any(after - before > min(intervals) + _ROUNDED_SECONDS for before, after in pairwise(later))
