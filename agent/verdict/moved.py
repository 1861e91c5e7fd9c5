"""Whether the series of a rule moved with the fault: an effect that no transaction of the load may feel.

A value that is compared with a number moved if it came a tenth of the way to that number. Without such a value the
series of the selectors themselves count. A series that always varies, or drifts, must leave what it did before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import PartRecord, RuleRecord, SeriesRecord
from alertdrill.agent.rules.expression import Anatomy, ThresholdCondition, anatomy, split
from alertdrill.agent.verdict.evaluations import instants, part, value_at, watched
from alertdrill.agent.verdict.onset import rates

_FEWEST_EVALUATIONS = 3
_SHARE_OF_THE_WAY = 0.1
_SHARE_OF_A_VALUE = 0.1
_SHARE_OF_A_RATE = 0.25
_RISING = {">", ">="}
_FALLING = {"<", "<="}


def has_moved(recording: Recording, rule: RuleRecord, fault_at: float) -> bool:
    """Return whether the series of a rule certainly moved between the start and the end of all faults."""
    record, tree = watched(recording, rule), anatomy(rule.expr)
    if record is None or tree is None:
        return False
    fault = _Fault(tuple(instants(record)), fault_at, max(one.healed_at for one in recording.faults))
    if not fault.has_enough:
        return False
    compared = [(condition, found) for condition in _conditions(tree) if (found := part(record, condition.value_expr))]
    known = [(condition, found) for condition, found in compared if fault.has_values(found)]
    if known:
        return any(fault.approached(condition, found) for condition, found in known)
    selected = [found for expr in _selections(tree) if (found := part(record, expr))]
    return any(fault.changed(found) for found in selected)


def _conditions(tree: Anatomy) -> Iterator[ThresholdCondition]:
    if tree.condition is not None:
        yield tree.condition
    yield from (found for clause in tree.clauses if (found := split(clause)) is not None)


def _selections(tree: Anatomy) -> Iterator[str]:
    """Yield each selector, and those without one of its matchers, which are recorded if it found nothing."""
    for selector in tree.selectors:
        yield str(selector)
        yield from (str(selector.without(matcher)) for matcher in selector.matchers)


@dataclass(frozen=True)
class _Fault:
    """The evaluations of a rule, and the start and the end of the fault among them."""

    instants: tuple[float, ...]
    begins: float
    ends: float

    @property
    def has_enough(self) -> bool:
        """Whether there are enough evaluations before and during the fault to compare them."""
        return min(len(self._before), len(self._during)) >= _FEWEST_EVALUATIONS

    def has_values(self, found: PartRecord) -> bool:
        """Return whether a part has values before or during the fault."""
        return any(self._values(one, [*self._before, *self._during]) for one in found.series)

    def approached(self, condition: ThresholdCondition, found: PartRecord) -> bool:
        """Return whether a value came a good part of the way to its threshold, or came, or went away."""
        if condition.comparison not in _RISING | _FALLING:
            return self.changed(found)
        sign = 1.0 if condition.comparison in _RISING else -1.0
        return self._came_or_went(found) or any(
            self._approached(one, sign, condition.threshold) for one in found.series
        )

    def _approached(self, series: SeriesRecord, sign: float, threshold: float) -> bool:
        before = [sign * value for value in self._values(series, self._before)]
        during = sorted(sign * value for value in self._values(series, self._during))
        if min(len(before), len(during)) < _FEWEST_EVALUATIONS:
            return False
        nearest = max(before)
        needed = max(self._usual(before), _SHARE_OF_THE_WAY * (sign * threshold - nearest))
        return during[len(during) * 3 // 4] > nearest + needed

    def changed(self, found: PartRecord) -> bool:
        """Return whether any series of a selector changed, or whether all of them came or went away."""
        return self._came_or_went(found) or any(self._changed(one) for one in found.series)

    def _changed(self, series: SeriesRecord) -> bool:
        before, during = (self._values(series, numbers) for numbers in (self._before, self._during))
        if min(len(before), len(during)) < _FEWEST_EVALUATIONS:
            return False
        if before[-1] > before[0] and all(earlier <= later for earlier, later in pairwise(before)):
            return self._rate_changed(series)
        return self._rose_from_rest(series, before) or self._level_changed(before, sorted(during))

    def _level_changed(self, before: list[float], during: list[float]) -> bool:
        needed = max(self._usual(before), _SHARE_OF_A_VALUE * max(map(abs, before)))
        low, high = during[len(during) // 4], during[len(during) * 3 // 4]
        return high > max(before) + needed or low < min(before) - needed

    def _usual(self, before: list[float]) -> float:
        """Return how far a series may go if it does what it did before: it varies, or it drifts."""
        longer = (self.ends - self.begins) / (self.begins - self.instants[0])
        return (max(before) - min(before)) * (2 + longer)

    def _rate_changed(self, series: SeriesRecord) -> bool:
        before, during = self._rates(series)
        if not before or not during:
            return False
        needed = max(2 * (max(before) - min(before)), _SHARE_OF_A_RATE * max(before))
        return min(during) > max(before) + needed or max(during) < min(before) - needed

    def _rose_from_rest(self, series: SeriesRecord, before: list[float]) -> bool:
        """Return whether a counter that stood still began to count, however large it was already."""
        during = self._rates(series)[1]
        return min(before) == max(before) and bool(during) and min(during) > 0

    def _rates(self, series: SeriesRecord) -> tuple[list[float], list[float]]:
        points = [
            (at, value) for number, at in enumerate(self.instants) if (value := value_at(series, number)) is not None
        ]
        return rates(points, None, self.begins), rates(points, self.begins, self.ends)

    def _came_or_went(self, found: PartRecord) -> bool:
        before, during = (self._share_present(found, numbers) for numbers in (self._before, self._during))
        return (before == 0 and during >= 0.5) or (before == 1 and during <= 0.5)

    def _share_present(self, found: PartRecord, numbers: list[int]) -> float:
        present = sum(any(value_at(one, number) is not None for one in found.series) for number in numbers)
        return present / len(numbers)

    @cached_property
    def _before(self) -> list[int]:
        return [number for number, at in enumerate(self.instants) if at < self.begins]

    @cached_property
    def _during(self) -> list[int]:
        return [number for number, at in enumerate(self.instants) if self.begins <= at <= self.ends]

    @staticmethod
    def _values(series: SeriesRecord, numbers: list[int]) -> list[float]:
        values = (value_at(series, number) for number in numbers)
        return [value for value in values if value is not None and abs(value) < float("inf")]
