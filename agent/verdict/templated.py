"""The alerts of a rule whose labels are templates: when a text changes, one alert ends and another begins.

One series then makes several alerts, one after another, and nobody can foretell which labels they have. What was
observed says which of them an evaluation was about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.labels import templates
from alertdrill.agent.verdict.evaluations import Tick
from alertdrill.agent.verdict.timeline import AlertTimeline


def apart(timelines: Sequence[AlertTimeline], rule: RuleRecord) -> list[list[AlertTimeline]]:
    """Put the stretches of one series together by their labels, where a template makes them differ."""
    if not templates(rule):
        return [list(timelines)]
    by_labels: dict[tuple[tuple[str, str], ...], list[AlertTimeline]] = {}
    for one in timelines:
        by_labels.setdefault(tuple(sorted(one.labels.items())), []).append(one)
    return list(by_labels.values()) or [[]]


def own_ticks(seen: Sequence[Tick], mine: Iterable[AlertTimeline], others: Iterable[AlertTimeline]) -> list[Tick]:
    """Tell what each evaluation saw for one alert of a series that made others too."""
    here, there = _active(mine), _active(others)
    if not there:
        return list(seen)
    return [replace(tick, holds=_holds(tick, _near(here, tick.at), _near(there, tick.at))) for tick in seen]


def _holds(tick: Tick, is_here: bool, is_there: bool) -> bool | None:  # noqa: FBT001 - the two of a table
    """Tell whether the condition held with the labels of this alert, as far as can be known."""
    if tick.holds is False or (is_there and not is_here):
        return False
    # Both: one of them is only kept. None: it had labels that nobody saw.
    return tick.holds if is_here and not is_there else None


def _active(timelines: Iterable[AlertTimeline]) -> set[float]:
    return {round(sample.at, 2) for one in timelines for sample in one.samples}


def _near(active: set[float], at: float) -> bool:
    # Instants are told in milliseconds, and no two evaluations are closer than this.
    return bool(active & {round(at + shift, 2) for shift in (-0.01, 0.0, 0.01)})
