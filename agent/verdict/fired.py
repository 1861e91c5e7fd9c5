"""One alert that fired, with all that its verdict is made of: what was seen beside what had to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord, SeriesRecord
from alertdrill.agent.rules.labels import is_of, series_of, templates
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.shape import classify
from alertdrill.agent.rules.timing import Timing, timing_of
from alertdrill.agent.verdict import window
from alertdrill.agent.verdict.delivery import first_window, heard, way_to, ways_to
from alertdrill.agent.verdict.evaluations import Evaluations, Tick, evaluations
from alertdrill.agent.verdict.onset import Onset, onset
from alertdrill.agent.verdict.templated import own_ticks
from alertdrill.agent.verdict.timeline import AlertTimeline, timelines
from alertdrill.agent.verdict.verdict import Milestone, Span, Window
from alertdrill.agent.verdict.waterfall import spans


@dataclass(frozen=True)
class FiredAlert:
    """One alert that fired, and its rule; `evaluations` is None where the rule could not be evaluated again."""

    recording: Recording
    rule: RuleRecord
    evaluations: Evaluations | None
    timeline: AlertTimeline
    receiver: str | None
    fault_at: float
    healed_at: float

    @cached_property
    def series(self) -> SeriesRecord | None:
        """The series of the whole expression that the alert was made of."""
        parts = self.evaluations.record.parts if self.evaluations is not None else []
        return series_of(self.timeline.labels, self.rule, parts[0]) if parts else None

    @cached_property
    def ticks(self) -> Sequence[Tick]:
        """What each evaluation saw; nothing where the rule, or its series among too many, was not recorded."""
        parts = self.evaluations.record.parts if self.evaluations is not None else []
        if self.evaluations is None or not parts or parts[0].error:
            return ()
        if self.series is None and parts[0].total > len(parts[0].series):
            return ()
        seen = self.evaluations.ticks(self.series)
        return own_ticks(seen, [self.timeline], self._others) if templates(self.rule) else seen

    @property
    def _others(self) -> list[AlertTimeline]:
        """The other alerts that were made of the same series."""
        every = timelines(self.recording, self.rule.alert, self.rule.interval_seconds)
        mine = self.series.labels if self.series is not None else {}
        return [one for one in every if one.labels != self.timeline.labels and is_of(one.labels, self.rule, mine)]

    @cached_property
    def timing(self) -> Timing:
        """The waits of the rule."""
        if self.evaluations is None:
            return timing_of(self.rule, scrape=0.0)
        return self.evaluations.timing(self.rule)

    @cached_property
    def onset(self) -> Onset:
        """How the fault came into the series of the alert."""
        if self.evaluations is None or self.series is None:
            return Onset(classify(""), None, None)
        return onset(self.evaluations, self.series.labels, self.fault_at, self.healed_at)

    @cached_property
    def route(self) -> Route | None:
        """The way to the receiver."""
        return way_to(self.recording, self.timeline, self.receiver)

    @cached_property
    def condition_at(self) -> float | None:
        """The first evaluation at which the condition held that led to the alert."""
        return window.condition_began(self.ticks, self.timeline.pending_at)

    @cached_property
    def told_at(self) -> float | None:
        """When the receiver first heard of it."""
        told = [n.received_at for n in heard(self.recording, self.timeline) if self.receiver in {None, n.receiver}]
        return min(told, default=None)

    @property
    def ended_at(self) -> float | None:
        """The first evaluation that took place without it."""
        after = self.timeline.ended_at
        if after is None or not self.ticks:
            return after
        took_place = (tick.at for tick in self.ticks if tick.happened and tick.at > after - self.timing.interval / 2)
        return next(took_place, None)

    @cached_property
    def resolved_window(self) -> Window | None:
        """When it must be over; None where that cannot be told."""
        return window.resolved_window(self.ticks, self.rule, self.timing, self.timeline) if self.ticks else None

    @cached_property
    def milestones(self) -> tuple[Milestone, ...]:
        """Every instant of the alert's life beside its window."""
        timeline, timing_, fault_at = self.timeline, self.timing, self.fault_at
        assert timeline.firing_at is not None  # noqa: S101 - only alerts that fired are cases
        offset = timing_.query_offset
        ways = ways_to(self.recording, timeline, self.receiver)
        notified = first_window(self.recording, timeline, ways, offset)
        return (
            Milestone(
                "condition", self.condition_at, window.condition_window(self.onset, timing_, fault_at), judged=False
            ),
            Milestone("pending", timeline.pending_at, window.pending_window(self.ticks, timeline.pending_at, fault_at)),
            Milestone(
                "firing",
                timeline.firing_at,
                window.firing_window(self.ticks, self.rule, timing_, timeline.pending_at),
            ),
            Milestone("notified", self.told_at, notified),
            Milestone("resolved", self.ended_at, self.resolved_window),
        )

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Where the time went."""
        return spans(
            fault_at=self.fault_at,
            onset=self.onset,
            condition_at=self.condition_at,
            timeline=self.timeline,
            told_at=self.told_at,
            rule=self.rule,
            timing=self.timing,
            route=self.route,
        )


def cases(
    recording: Recording,
    expected: Expectation,
    fired: Iterable[tuple[RuleRecord, AlertTimeline]],
    fault: tuple[float, float],
) -> list[FiredAlert]:
    """Make a case of the first time that each label set fired; `fault` holds its beginning and its end."""
    first: dict[tuple[tuple[str, str], ...], FiredAlert] = {}
    known: dict[int, Evaluations | None] = {}
    for rule, timeline in fired:
        key = tuple(sorted(timeline.labels.items()))
        if id(rule) not in known:
            known[id(rule)] = evaluations(recording, rule)
        case = FiredAlert(recording, rule, known[id(rule)], timeline, expected.receiver, *fault)
        first.setdefault(key, case)
    return list(first.values())
