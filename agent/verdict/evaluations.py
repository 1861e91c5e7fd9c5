"""The evaluations of a rule, each with its result: whether the condition held, as far as the recording shows.

After the drill, the rule's expression is evaluated again at the same instants. By then all samples are stored; an
evaluation that came during a scrape did not have that scrape's samples yet. Where that makes a difference, the
result of the evaluation stays unknown.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    GroupRecord,
    PartRecord,
    RuleRecord,
    SeriesRecord,
    TargetRecord,
    WatchedRecord,
)
from alertdrill.agent.rules.expression import anatomy
from alertdrill.agent.rules.timing import Timing, timing_of

# With a scrape less at both ends, a range of four still has two samples.
_FEWEST_SCRAPES = 4
WRITTEN_WITHIN_SECONDS = 0.5
"""The longest time from an evaluation until its samples can be queried."""
# The limit for one gap: after a jump of the clock it would have endless evaluations.
_MOST_SKIPPED = 100_000


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a rule for one label set; `at` is the instant of its data, Unix seconds.

    `holds` is None where the result is unknown; `took_place` is False where the evaluation may have been skipped.
    """

    at: float
    holds: bool | None
    took_place: bool


def watched(recording: Recording, rule: RuleRecord) -> WatchedRecord | None:
    """Return the record of a rule under test; a group may have several rules of one name."""
    key = (rule.alert, rule.group, rule.file)
    of_name = [one for one in recording.watched if (one.alert, one.group, one.file) == key]
    return next((one for one in of_name if not one.parts or one.parts[0].expr == rule.expr), None)


def part(record: WatchedRecord, expr: str) -> PartRecord | None:
    """Return the record of a part of the rule's expression."""
    return next((one for one in record.parts if one.expr == expr), None)


def instants(record: WatchedRecord) -> list[float]:
    """List the instants of the rule's evaluations."""
    return [record.first_at + number * record.interval_seconds for number in range(record.count)]


def value_at(series: SeriesRecord, number: int) -> float | None:
    """Return the value of a series at one evaluation; None if it was absent."""
    index = number - series.first
    return series.values[index] if 0 <= index < len(series.values) else None


def targets_behind(recording: Recording, record: WatchedRecord) -> list[TargetRecord]:
    """List the targets whose scrapes feed the rule."""
    tree = anatomy(record.parts[0].expr) if record.parts else None
    selectors = [part(record, str(selector)) for selector in tree.selectors] if tree else []
    fed_by = {
        (series.labels.get("job", ""), series.labels.get("instance", ""))
        for selected in selectors
        if selected is not None
        for series in selected.series
    }
    return [target for target in recording.targets if (target.job, target.instance) in fed_by]


@dataclass(frozen=True, eq=False)
class RuleEvaluations:
    """The evaluations of one rule; facts that all its series share are computed once."""

    recording: Recording
    record: WatchedRecord

    @cached_property
    def targets(self) -> list[TargetRecord]:
        """The targets whose scrapes feed the rule."""
        return targets_behind(self.recording, self.record)

    def timing(self, rule: RuleRecord) -> Timing:
        """Return the durations of the rule, with the longest scrape interval and scrape of its targets."""
        return timing_of(
            rule,
            scrape=max((target.interval_seconds for target in self.targets), default=0.0),
            query_offset=self.record.query_offset_seconds,
            scrape_lag=max((took for target in self.targets for took in target.durations_seconds), default=0.0),
        )

    @cached_property
    def _instants(self) -> list[float]:
        return instants(self.record)

    @cached_property
    def _unseen_since(self) -> list[float | None]:
        group = _group(self.recording, self.record)
        since = unseen_since(self.record, self._instants, group, self.targets, self.recording.ended_at)
        lag = _own_lag(self.record, self.targets)
        return since if lag == 0 else [_first((at - lag, one)) for at, one in zip(self._instants, since, strict=True)]

    @cached_property
    def _took_place(self) -> list[bool]:
        return _took_place(self.recording, self.record, self._instants)

    def of_series(self, series: SeriesRecord | None) -> list[Evaluation]:
        """Return the evaluations for one series of the whole expression; without a series it never held."""
        held = [series is not None and value_at(series, number) is not None for number in range(self.record.count)]
        certainty = _Certainty(self.record, series, held, self.targets)
        return [
            Evaluation(
                at,
                holds=held[number] if since is None or certainty.is_sure(number, since, at) else None,
                took_place=self._took_place[number],
            )
            for number, (at, since) in enumerate(zip(self._instants, self._unseen_since, strict=True))
        ]


def rule_evaluations(recording: Recording, rule: RuleRecord) -> RuleEvaluations | None:
    """Return the evaluations of a rule; None if it could not be evaluated again."""
    record = watched(recording, rule)
    return None if record is None else RuleEvaluations(recording, record)


class _Certainty:
    """Whether an evaluation had the same result as the later query, although it may have lacked the newest samples."""

    def __init__(
        self, record: WatchedRecord, series: SeriesRecord | None, held: list[bool], targets: list[TargetRecord]
    ) -> None:
        self._held = held
        self._between = record.between
        scraped = record.between.series if record.between is not None else []
        mine = [one for one in scraped if series and one.labels == series.labels]
        self._stretches = [(first, first + length) for one in mine for first, length in one.stretches]
        self._ranged = _Ranged.of(record, series, targets)

    def is_sure(self, number: int, since: float, at: float) -> bool:
        """Return whether the samples that were scraped since an instant make no difference to an evaluation."""
        if self._ranged is not None and not self._ranged.is_far_off(number):
            return False
        if self._between is None:
            return number > 0 and self._held[number] == self._held[number - 1]
        first_at, step = self._between.first_at, self._between.step_seconds
        # The point before the scrape stands for the samples that were stored until then.
        first, last = math.ceil((since - first_at) / step) - 1, math.floor((at - first_at) / step)
        if first < -1:
            # It saw samples from before the recording.
            return False
        points = range(max(first, 0), min(last, self._between.count - 1) + 1)
        return all(self._held_at(point) == self._held[number] for point in points)

    def _held_at(self, point: int) -> bool:
        index = bisect_right(self._stretches, (point, math.inf)) - 1
        return index >= 0 and point < self._stretches[index][1]


@dataclass(frozen=True)
class _Ranged:
    """The value of an expression with a range: without the newest scrape, the range has one sample less at each end.

    No later query shows that value. How far it may differ is estimated from the changes between evaluations.
    `shortest` is the number of scrapes in the shortest range.
    """

    threshold: float | None
    values: SeriesRecord | None
    shortest: float

    @classmethod
    def of(cls, record: WatchedRecord, series: SeriesRecord | None, targets: list[TargetRecord]) -> _Ranged | None:
        """Return the value of an expression that has a range, None for any other."""
        tree = anatomy(record.parts[0].expr)
        ranges = [selector.range_seconds for selector in tree.selectors if selector.range_seconds] if tree else []
        if tree is None or not ranges:
            return None
        slowest = max((target.interval_seconds for target in targets), default=0.0)
        value = part(record, tree.condition.value_expr) if tree.condition else None
        known = [one for one in value.series if series and one.labels == series.labels] if value else []
        threshold = tree.condition.threshold if tree.condition else None
        return cls(threshold, known[0] if known else None, min(ranges) / slowest if slowest else 0.0)

    def is_far_off(self, number: int) -> bool:
        """Return whether the value was so far from its threshold that one scrape more or less does not matter."""
        if self.threshold is None or self.values is None or self.shortest < _FEWEST_SCRAPES:
            return False
        around = [value_at(self.values, near) for near in (number - 1, number, number + 1)]
        known = [value for value in around if value is not None and math.isfinite(value)]
        if len(known) < len(around):
            return False
        moves = max(known) - min(known) + 3 / self.shortest * abs(known[1])
        return abs(known[1] - self.threshold) > moves


def _group(recording: Recording, record: WatchedRecord) -> GroupRecord | None:
    return next((one for one in recording.groups if (one.group, one.file) == (record.group, record.file)), None)


def _took_place(recording: Recording, record: WatchedRecord, instants_: list[float]) -> list[bool]:
    """Return for each evaluation whether it took place without an error.

    All evaluations before the first look and after the last one count as taken place. The samples of the last ones may
    not have been stored yet, which looks the same as a skipped evaluation.
    """
    margin = min(record.interval_seconds / 2, WRITTEN_WITHIN_SECONDS)
    stored_until = recording.ended_at - record.query_offset_seconds - margin
    looked_at = _seen_or_not_looked(recording, record, instants_, margin)
    return [seen and at <= stored_until for at, seen in zip(instants_, looked_at, strict=True)]


def _seen_or_not_looked(
    recording: Recording, record: WatchedRecord, instants_: list[float], margin: float
) -> list[bool]:
    group = _group(recording, record)
    if group is None or not group.evaluations:
        return [True] * len(instants_)
    first, last = group.evaluations[0].at, group.evaluations[-1].looked_at
    if group.looked_until is not None:
        # Prometheus reports an evaluation when it has ended: the last look may have missed one that had just begun.
        last = max(last, group.looked_until - record.query_offset_seconds - margin)
    # A failed evaluation leaves the alert as it was and writes nothing, like one that was skipped.
    seen = [one.at - record.query_offset_seconds for one in group.evaluations if record.alert not in one.errors]
    return [not first <= at <= last or _is_near(seen, at, record.interval_seconds) for at in instants_]


def _is_near(seen: list[float], at: float, interval: float) -> bool:
    index = bisect_right(seen, at + interval / 2) - 1
    return index >= 0 and seen[index] > at - interval / 4


def skipped(group: GroupRecord) -> Iterator[float]:
    """Yield the instants of evaluations of a group that certainly did not take place.

    Two looks closer together than the interval have at most one evaluation between them. So a longer time from one
    evaluation to the next is a gap, and not an evaluation that was overlooked.
    """
    interval = group.interval_seconds
    for before, after in zip(group.evaluations, group.evaluations[1:], strict=False):
        is_certain = after.looked_at - after.looked_before_at < interval
        missing = round((after.at - before.at) / interval) - 1
        if is_certain and missing > 0:
            yield from (before.at + (number + 1) * interval for number in range(min(missing, _MOST_SKIPPED)))


# From the end of a scrape until its samples can be queried, on a machine that is not busy.
_COMMIT_SECONDS = 0.020
# The series of a removed target end with its first missing scrape, but Prometheus writes that end two intervals and a
# tenth later (scrape/scrape.go, endOfRunStaleness).
_REMOVAL_INTERVALS = 3.2
# The newest sample is at most an interval old, and a little more on a busy machine.
_INTERVALS_OF_OWN_TIMESTAMPS = 2.5


def unseen_since(
    record: WatchedRecord,
    instants: list[float],
    group: GroupRecord | None,
    targets: list[TargetRecord],
    recorded_until: float,
) -> list[float | None]:
    """Return for each evaluation since when it may lack samples; None if no scrape was under way."""
    if not targets:
        # Series without a target's labels come from other rules or other programs, at unknown instants.
        return [*instants]
    readable = _COMMIT_SECONDS + _busy_seconds(record, group, targets) - record.query_offset_seconds
    return [_first(_lacking(target, at, readable, recorded_until) for target in targets) for at in instants]


def _own_lag(record: WatchedRecord, targets: list[TargetRecord]) -> float:
    """Return how late samples come after their own timestamps, if an exporter sends these; 0 if none does.

    An evaluation did not have the newest of them yet, and a later query for its instant finds them.
    """
    if not targets or not all(target.up and target.up[-1] for target in targets):
        return 0.0
    seen = [
        age for text, age in record.sample_ages.items() if (found := part(record, text)) is not None and found.series
    ]
    lag, slowest = max(seen, default=0.0), max(target.interval_seconds for target in targets)
    return lag if lag > _INTERVALS_OF_OWN_TIMESTAMPS * slowest else 0.0


def _first(instants: Iterable[float | None]) -> float | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _lacking(target: TargetRecord, at: float, readable_seconds: float, recorded_until: float) -> float | None:
    """Return since when an evaluation may lack samples of a target: of scrapes under way, or of its removal."""
    index = bisect_right(target.instants, at + 0.0005) - 1
    since = None
    while index >= 0 and target.instants[index] + target.durations_seconds[index] + readable_seconds > at:
        since, index = target.instants[index], index - 1
    last = target.instants[-1] if target.instants else recorded_until
    written_by = last + _REMOVAL_INTERVALS * target.interval_seconds + readable_seconds
    if last + 1.5 * target.interval_seconds < recorded_until and last <= at < written_by:
        return last if since is None else min(last, since)
    return since


def _busy_seconds(record: WatchedRecord, group: GroupRecord | None, targets: list[TargetRecord]) -> float:
    """Return the longest delay of Prometheus' evaluations and scrapes: when it is busy, it stores samples late too."""
    interval, first = record.interval_seconds, record.first_at + record.query_offset_seconds
    half = interval / 2
    lags = [(one.at - first + half) % interval - half for one in group.evaluations] if group is not None else []
    jitter = [
        after - before - target.interval_seconds
        for target in targets
        for before, after in pairwise(target.instants)
        if after - before < 1.5 * target.interval_seconds
    ]
    return min(max([0.0, *lags, *jitter]), half)
