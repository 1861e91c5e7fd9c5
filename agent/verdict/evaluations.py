"""What each evaluation of a rule saw: whether its condition held, as far as the record can tell.

The rule's expression is evaluated again, afterwards, at the very instants of the evaluations. Then all scrapes
are there; an evaluation that came while a scrape was under way did not have its samples yet. Where that makes a
difference, what the evaluation saw stays open.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

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
from alertdrill.agent.verdict.unseen import unseen_since

# With a scrape less at both ends, a range of four still has two samples.
_FEWEST_SCRAPES = 4
# From an evaluation until its samples can be queried, at the longest.
WRITTEN_WITHIN_SECONDS = 0.5
# Of one gap; more than a drill has evaluations would only be of clocks that jumped.
_MOST_SKIPPED = 100_000


@dataclass(frozen=True)
class Tick:
    """One evaluation of a rule for one label set; `at` is the instant of its data, Unix seconds.

    `holds` is None where the record leaves open what it saw; `happened` is False where it may have been skipped.
    """

    at: float
    holds: bool | None
    happened: bool


def watched(recording: Recording, rule: RuleRecord) -> WatchedRecord | None:
    """Find what was recorded of a rule under test; a group may have several of one name."""
    key = (rule.alert, rule.group, rule.file)
    of_name = [one for one in recording.watched if (one.alert, one.group, one.file) == key]
    return next((one for one in of_name if not one.parts or one.parts[0].expr == rule.expr), None)


def part(record: WatchedRecord, expr: str) -> PartRecord | None:
    """Find a part of the rule's expression."""
    return next((one for one in record.parts if one.expr == expr), None)


def instants(record: WatchedRecord) -> list[float]:
    """List the instants of the rule's grid."""
    return [record.first_at + number * record.interval_seconds for number in range(record.count)]


def value_at(series: SeriesRecord, number: int) -> float | None:
    """Read a series at one evaluation; None where it was absent."""
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
class Evaluations:
    """The evaluations of one rule; what is the same for each of its series is worked out once."""

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
    def _grid(self) -> list[float]:
        return instants(self.record)

    @cached_property
    def _unseen_since(self) -> list[float | None]:
        group = _group(self.recording, self.record)
        return unseen_since(self.record, self._grid, group, self.targets, self.recording.ended_at)

    @cached_property
    def _happened(self) -> list[bool]:
        return _happened(self.recording, self.record, self._grid)

    def ticks(self, series: SeriesRecord | None) -> list[Tick]:
        """Tell for each evaluation whether the condition held for one series of the whole expression.

        Without a series it never held.
        """
        held = [series is not None and value_at(series, number) is not None for number in range(self.record.count)]
        same = _Sameness(self.record, series, held, self.targets)
        return [
            Tick(at, held[number] if since is None or same.sure(number, since, at) else None, self._happened[number])
            for number, (at, since) in enumerate(zip(self._grid, self._unseen_since, strict=True))
        ]


def evaluations(recording: Recording, rule: RuleRecord) -> Evaluations | None:
    """Find the evaluations of a rule; None where it could not be evaluated again."""
    record = watched(recording, rule)
    return None if record is None else Evaluations(recording, record)


class _Sameness:
    """Whether an evaluation saw what is seen later, though it may have lacked what was scraped since an instant."""

    def __init__(
        self, record: WatchedRecord, series: SeriesRecord | None, held: list[bool], targets: list[TargetRecord]
    ) -> None:
        self._held = held
        self._between = record.between
        scraped = record.between.series if record.between is not None else []
        mine = [one for one in scraped if series and one.labels == series.labels]
        self._stretches = [(first, first + length) for one in mine for first, length in one.stretches]
        self._ranged = _Ranged.of(record, series, targets)

    def sure(self, number: int, since: float, at: float) -> bool:
        """Tell whether it makes no difference what an evaluation lacked."""
        if self._ranged is not None and not self._ranged.is_far_off(number):
            return False
        if self._between is None:
            return number > 0 and self._held[number] == self._held[number - 1]
        first_at, step = self._between.first_at, self._between.step_seconds
        # The point before the scrape stands for what was there until then.
        first, last = math.ceil((since - first_at) / step) - 1, math.floor((at - first_at) / step)
        points = range(max(first, 0), min(last, self._between.count - 1) + 1)
        return all(self._held_at(point) == self._held[number] for point in points)

    def _held_at(self, point: int) -> bool:
        index = bisect_right(self._stretches, (point, math.inf)) - 1
        return index >= 0 and point < self._stretches[index][1]


@dataclass(frozen=True)
class _Ranged:
    """The value of an expression with a range, which without its newest scrape loses one at either end.

    No later query sees that. How much it may have made of the value is told from how the value moves: `shortest` is
    the number of scrapes in the shortest range.
    """

    threshold: float | None
    values: SeriesRecord | None
    shortest: float

    @classmethod
    def of(cls, record: WatchedRecord, series: SeriesRecord | None, targets: list[TargetRecord]) -> _Ranged | None:
        """Make it for an expression that has a range, None for any other."""
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
        """Tell whether the value was too far from its threshold for a scrape more or less to matter."""
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


def _happened(recording: Recording, record: WatchedRecord, grid: list[float]) -> list[bool]:
    """Tell which evaluations were seen to take place without an error; where nobody looked, all of them did.

    Of the last ones the samples may not have been stored yet, which looks the same.
    """
    margin = min(record.interval_seconds / 2, WRITTEN_WITHIN_SECONDS)
    stored_until = recording.ended_at - record.query_offset_seconds - margin
    return [
        took_place and at <= stored_until
        for at, took_place in zip(grid, _took_place(recording, record, grid, margin), strict=True)
    ]


def _took_place(recording: Recording, record: WatchedRecord, grid: list[float], margin: float) -> list[bool]:
    group = _group(recording, record)
    if group is None or not group.evaluations:
        return [True] * len(grid)
    first, last = group.evaluations[0].at, group.evaluations[-1].looked_at
    if group.looked_until is not None:
        # An evaluation is told of when it has ended: one shortly before the last look may have gone unseen.
        last = max(last, group.looked_until - record.query_offset_seconds - margin)
    # A failed evaluation leaves the alert as it was and writes nothing, like one that was skipped.
    seen = [one.at - record.query_offset_seconds for one in group.evaluations if record.alert not in one.errors]
    return [not first <= at <= last or _near(seen, at, record.interval_seconds) for at in grid]


def _near(seen: list[float], at: float, interval: float) -> bool:
    index = bisect_right(seen, at + interval / 2) - 1
    return index >= 0 and seen[index] > at - interval / 4


def skipped(group: GroupRecord) -> Iterator[float]:
    """List the instants of evaluations of a group that certainly did not take place.

    Two looks closer together than the interval have at most one evaluation between them, so that a longer way from
    one evaluation to the next is a gap and not something that nobody saw.
    """
    interval = group.interval_seconds
    for before, after in zip(group.evaluations, group.evaluations[1:], strict=False):
        is_certain = after.looked_at - after.looked_before_at < interval
        missing = round((after.at - before.at) / interval) - 1
        if is_certain and missing > 0:
            yield from (before.at + (number + 1) * interval for number in range(min(missing, _MOST_SKIPPED)))
