"""One alert that fired, with the facts of its verdict: its milestones, each beside its window, and its timing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord, SeriesRecord
from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.labels import is_of, series_of, templates
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.timing import Timing, timing_of
from alertdrill.agent.verdict import window
from alertdrill.agent.verdict.delivery import notifications_of, quickest_route, routes_to
from alertdrill.agent.verdict.evaluations import Evaluation, RuleEvaluations, rule_evaluations
from alertdrill.agent.verdict.onset import Onset, onset
from alertdrill.agent.verdict.templated import own_evaluations
from alertdrill.agent.verdict.timeline import AlertTimeline, timelines
from alertdrill.agent.verdict.verdict import Milestone, Span, Window
from alertdrill.agent.verdict.waterfall import spans


@dataclass(frozen=True)
class FiredAlert:
    """One alert that fired, and its rule; `of_rule` is None if the rule could not be evaluated again."""

    recording: Recording
    rule: RuleRecord
    of_rule: RuleEvaluations | None
    timeline: AlertTimeline
    receiver: str | None
    fault_at: float
    healed_at: float

    @cached_property
    def series(self) -> SeriesRecord | None:
        """The series of the whole expression that the alert was made of."""
        parts = self.of_rule.record.parts if self.of_rule is not None else []
        return series_of(self.timeline.labels, self.rule, parts[0]) if parts else None

    @cached_property
    def evaluations(self) -> Sequence[Evaluation]:
        """Its evaluations; empty if the rule was not recorded, or if it had more series than were kept."""
        parts = self.of_rule.record.parts if self.of_rule is not None else []
        if self.of_rule is None or not parts or parts[0].error:
            return ()
        if self.series is None and parts[0].total > len(parts[0].series):
            return ()
        every = self.of_rule.of_series(self.series)
        return own_evaluations(every, [self.timeline], self._others) if templates(self.rule) else every

    @property
    def _others(self) -> list[AlertTimeline]:
        """The other alerts that were made of the same series."""
        every = timelines(self.recording, self.rule.alert, self.rule.interval_seconds)
        own = self.series.labels if self.series is not None else {}
        return [one for one in every if one.labels != self.timeline.labels and is_of(one.labels, self.rule, own)]

    @cached_property
    def timing(self) -> Timing:
        """The durations of the rule."""
        return timing_of(self.rule, scrape=0.0) if self.of_rule is None else self.of_rule.timing(self.rule)

    @cached_property
    def onset(self) -> Onset:
        """How the fault began to show in the series of the alert."""
        if self.of_rule is None or self.series is None:
            return Onset(classify(""), None, None)
        return onset(self.of_rule, self.series.labels, self.fault_at, self.healed_at)

    @cached_property
    def route(self) -> Route | None:
        """The quickest route to the receiver."""
        return quickest_route(self.recording, self.timeline, self.receiver)

    @cached_property
    def condition_at(self) -> float | None:
        """The evaluation at which the condition began to hold."""
        return window.condition_began(self.evaluations, self.timeline.pending_at)

    @cached_property
    def notified_at(self) -> float | None:
        """When the receiver was notified first."""
        notifications = notifications_of(self.recording, self.timeline)
        return min((one.received_at for one in notifications if self.receiver in {None, one.receiver}), default=None)

    @property
    def ended_at(self) -> float | None:
        """The first evaluation that took place without it."""
        after = self.timeline.ended_at
        if after is None or not self.evaluations:
            return after
        earliest = after - self.timing.interval / 2
        return next((one.at for one in self.evaluations if one.took_place and one.at > earliest), None)

    @cached_property
    def resolved_window(self) -> Window | None:
        """When it must be over; None if that is unknown."""
        if not self.evaluations:
            return None
        return window.resolved_window(self.evaluations, self.rule, self.timing, self.timeline)

    @cached_property
    def milestones(self) -> tuple[Milestone, ...]:
        """Every milestone of the alert, beside its window."""
        pending_at, firing_at = self.timeline.pending_at, self.timeline.firing_at
        condition = window.condition_window(self.onset, self.timing, self.fault_at)
        pending = window.pending_window(self.evaluations, pending_at, self.fault_at)
        firing = window.firing_window(self.evaluations, self.rule, self.timing, pending_at)
        routes = routes_to(self.recording, self.timeline, self.receiver)
        notified = window.first_notified_window(self.recording, self.timeline, routes, self.timing.query_offset)
        return (
            Milestone("condition", self.condition_at, condition, judged=False),
            Milestone("pending", pending_at, pending),
            Milestone("firing", firing_at, firing),
            Milestone("notified", self.notified_at, notified),
            Milestone("resolved", self.ended_at, self.resolved_window),
        )

    def milestone(self, name: str) -> Milestone:
        """Return one of the milestones."""
        return next(one for one in self.milestones if one.name == name)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The stretches of time from the fault to the notification."""
        return spans(
            fault_at=self.fault_at,
            onset=self.onset,
            condition_at=self.condition_at,
            timeline=self.timeline,
            notified_at=self.notified_at,
            rule=self.rule,
            timing=self.timing,
            route=self.route,
        )


def fired_alerts(
    recording: Recording,
    expected: Expectation,
    fired: Iterable[tuple[RuleRecord, AlertTimeline]],
    fault: tuple[float, float],
) -> list[FiredAlert]:
    """Return each label set the first time that it fired; `fault` is the start and the end of the fault."""
    first: dict[tuple[tuple[str, str], ...], FiredAlert] = {}
    of_rules: dict[int, RuleEvaluations | None] = {}
    for rule, timeline in fired:
        key = tuple(sorted(timeline.labels.items()))
        if id(rule) not in of_rules:
            of_rules[id(rule)] = rule_evaluations(recording, rule)
        alert = FiredAlert(recording, rule, of_rules[id(rule)], timeline, expected.receiver, *fault)
        first.setdefault(key, alert)
    return list(first.values())
