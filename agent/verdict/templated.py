"""The alerts of a rule whose labels are templates: when a text changes, one alert ends and another begins.

One series then makes several alerts, one after another, and their labels cannot be computed in advance. The observed
samples show which of them an evaluation was about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.labels import templates
from alertdrill.agent.verdict.evaluations import Evaluation
from alertdrill.agent.verdict.timeline import AlertTimeline


def by_labels(timelines: Sequence[AlertTimeline], rule: RuleRecord) -> list[list[AlertTimeline]]:
    """Group the timelines of one series by their labels, if a template makes them differ."""
    if not templates(rule):
        return [list(timelines)]
    grouped: dict[tuple[tuple[str, str], ...], list[AlertTimeline]] = {}
    for one in timelines:
        grouped.setdefault(tuple(sorted(one.labels.items())), []).append(one)
    return list(grouped.values()) or [[]]


def own_evaluations(
    evaluations: Sequence[Evaluation], own: Iterable[AlertTimeline], others: Iterable[AlertTimeline]
) -> list[Evaluation]:
    """Return the evaluations of one alert of a series that made other alerts too."""
    here, there = _active(own), _active(others)
    if not there:
        return list(evaluations)
    return [replace(one, holds=_holds(one, _is_near(here, one.at), _is_near(there, one.at))) for one in evaluations]


def _holds(evaluation: Evaluation, is_here: bool, is_there: bool) -> bool | None:  # noqa: FBT001 - the two of a table
    """Return whether the condition held with the labels of this alert, None if that is unknown."""
    if evaluation.holds is False or (is_there and not is_here):
        return False
    # Active under both label sets: keep_firing_for holds one of them. Under neither: its labels were not recorded.
    return evaluation.holds if is_here and not is_there else None


def _active(timelines: Iterable[AlertTimeline]) -> set[float]:
    return {round(sample.at, 2) for one in timelines for sample in one.samples}


def _is_near(active: set[float], at: float) -> bool:
    # Instants are rounded to milliseconds, and no two evaluations are closer than this.
    return bool(active & {round(at + shift, 2) for shift in (-0.01, 0.0, 0.01)})
