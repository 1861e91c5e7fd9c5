"""Whether the rule engine followed a rule: each of its series, from the first evaluation to the last."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from alertdrill.agent.recording.records import RuleRecord, SeriesRecord
from alertdrill.agent.rules.labels import is_of
from alertdrill.agent.verdict.engine import Breach, State, Status, follow
from alertdrill.agent.verdict.evaluations import Evaluation, RuleEvaluations
from alertdrill.agent.verdict.templated import by_labels, own_evaluations
from alertdrill.agent.verdict.timeline import AlertTimeline, Sample

# Samples carry the evaluation's time in milliseconds. A sample at another time came from another server.
_OTHER_SERVER_SECONDS = 0.010


def breaches(evaluations: RuleEvaluations | None, rule: RuleRecord, timelines: Iterable[AlertTimeline]) -> list[Breach]:
    """List every evaluation after which an alert was not in the state that its rule requires, in order of time.

    Empty if the rule could not be evaluated again, or if it has more series than the recording kept.
    """
    whole = evaluations.record.parts[0] if evaluations is not None and evaluations.record.parts else None
    if evaluations is None or whole is None or whole.error or whole.total > len(whole.series):
        return []
    all_of_rule = list(timelines)
    alerts = [
        one
        for series in whole.series
        for one in _alerts(evaluations, _made_of(all_of_rule, rule, series), rule, series)
    ]
    # An alert that is made of no series should not be there at all.
    alerts += [
        (evaluations.of_series(None), [one])
        for one in all_of_rule
        if not any(is_of(one.labels, rule, series.labels) for series in whole.series)
    ]
    return sorted((breach for one in alerts for breach in _follow(*one, rule)), key=lambda breach: breach.at)


def _alerts(
    evaluations: RuleEvaluations, timelines: list[AlertTimeline], rule: RuleRecord, series: SeriesRecord
) -> list[tuple[list[Evaluation], list[AlertTimeline]]]:
    """List the alerts of one series, each with its own evaluations."""
    every = evaluations.of_series(series)
    alerts = by_labels(timelines, rule)
    return [
        (own_evaluations(every, own, [one for other in alerts if other is not own for one in other]), own)
        for own in alerts
    ]


def _made_of(timelines: list[AlertTimeline], rule: RuleRecord, series: SeriesRecord) -> list[AlertTimeline]:
    return [one for one in timelines if is_of(one.labels, rule, series.labels)]


def _follow(evaluations: Sequence[Evaluation], timelines: list[AlertTimeline], rule: RuleRecord) -> list[Breach]:
    instants = [one.at for one in evaluations]
    if not instants:
        return []
    samples = [sample for one in timelines for sample in one.samples]
    observed: dict[float, Status] = {nearest(instants, sample.at): sample.state for sample in samples}
    astray = [
        Breach(sample.at, frozenset[Status]({"inactive"}), sample.state)
        for sample in samples
        if abs(nearest(instants, sample.at) - sample.at) > _OTHER_SERVER_SECONDS
    ]
    at_start = [sample for sample in samples if nearest(instants, sample.at) == instants[0]]
    if not at_start or astray:
        return astray or follow(evaluations, observed, rule)
    return follow(evaluations[1:], observed, rule, _possible_states(at_start[0]))


def _possible_states(sample: Sample) -> set[State]:
    """Return the states that a first sample may stand for; the recorded activeAt is in whole seconds."""
    since = sample.at if sample.since is None else float(sample.since)
    return {State(sample.state, since), State(sample.state, min(since + 0.999, sample.at))}


def nearest(instants: Sequence[float], at: float) -> float:
    """Return the one of some ascending instants that is nearest to another."""
    index = bisect_left(instants, at)
    around = instants[max(index - 1, 0) : index + 1]
    return min(around, key=lambda one: abs(one - at))
