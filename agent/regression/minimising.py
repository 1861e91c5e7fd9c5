"""Makes a case small enough to read: fewer series, less time, fewer digits.

A step is kept only if every evaluation stays the same, bit for bit, and if the values that the rule compares stay where
they were: within a hundredth, or within a tenth of their distance from the threshold. Without the second condition a
small test would say wrong things about a changed threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from alertdrill.agent.regression.case import Case, InputSeries, IsCounter, Labels, Timeline
from alertdrill.agent.regression.spelling import Value, fitted, spell_values

_TOLERANCE, _OF_DISTANCE = 0.01, 0.1
# The finest last: shares of the distance between the smallest and the largest value of a series.
_FITS = (0.02, 0.01, 0.005, 0.002, 0.0005, 0.0001)
_BASELINES = (8, 16, 32, 64)
_TAIL = 2
# Each probe evaluates the whole case once.
_MOST_PROBES_A_ROUND = 64


@dataclass(frozen=True)
class Observed:
    """What promtool saw in a case: the timeline, and each compared value at each evaluation; or its error."""

    timeline: Timeline
    values: tuple[tuple[dict[Labels, float], ...], ...] = ()
    error: str = ""


Probe = Callable[[Sequence[Case]], list[Observed]]


@dataclass(frozen=True)
class Minimised:
    """The small case, and the series without which its alert stays silent: its labels, without the `le` of buckets."""

    case: Case
    decisive: Labels | None


class Minimiser:
    """Tries smaller cases; `thresholds` are those of the compared values."""

    def __init__(self, probe: Probe, is_counter: IsCounter, thresholds: Sequence[float]) -> None:
        self._probe = probe
        self._is_counter = is_counter
        self._thresholds = thresholds

    def minimised(self, case: Case) -> Minimised:
        """Return the smallest case that was found."""
        case = self._fewer_series(case)
        case = self._less_time(case)
        case = self._fewer_digits(case)
        return Minimised(case, self._decisive(case))

    def _fewer_series(self, case: Case) -> Case:
        """Remove series that change nothing; those of one histogram go together."""
        (whole,) = self._probe([case])
        units = _units(case.lines)
        size = max(len(units) // 2, 1)
        while units:
            chunks = [units[at : at + size] for at in range(0, len(units), size)][:_MOST_PROBES_A_ROUND]
            found = self._probe([case.with_lines(_without(units, [chunk])) for chunk in chunks])
            removable = [chunk for chunk, one in zip(chunks, found, strict=True) if self._is_same(whole, one, case)]
            units = self._removed(case, whole, units, removable)
            if size == 1:
                break
            size = max(min(size // 2, len(units) // 2), 1)
        return case.with_lines(line for unit in units for line in unit)

    def _removed(
        self, case: Case, whole: Observed, units: list[list[InputSeries]], removable: list[list[list[InputSeries]]]
    ) -> list[list[InputSeries]]:
        """Remove what can be removed at once, else one after another."""
        if len(removable) > 1:
            (together,) = self._probe([case.with_lines(_without(units, removable))])
            if not self._is_same(whole, together, case):
                for chunk in removable:
                    (one,) = self._probe([case.with_lines(_without(units, [chunk]))])
                    units = _left(units, [chunk]) if self._is_same(whole, one, case) else units
                return units
        return _left(units, removable)

    def _less_time(self, case: Case) -> Case:
        """Cut the time after the alert is over, and what the begin of the fault does not need before it."""
        (whole,) = self._probe([case])
        changes = [n for states in whole.timeline.values() for n in range(1, len(states)) if states[n] != states[n - 1]]
        last = max([*changes, (case.healed_ms or 0) // case.evaluation_ms], default=case.evaluations - 1)
        last = min(last + _TAIL, case.evaluations - 1)
        begin = min([*(n for n in changes if n >= case.since), case.begins_ms // case.evaluation_ms])
        cuts = [(begin - kept, last) for kept in _BASELINES if begin - kept > 0] + [(0, last)]
        found = self._probe([case.cut(*cut) for cut in cuts])
        for (first, end), one in zip(cuts, found, strict=True):
            small = case.cut(first, end)
            # What lacks its history at the new begin is compared from the fault on, and a little before.
            small = replace(small, since=max(small.since, min(begin - first, 2)))
            if self._is_same(_shifted(whole, first, end), one, small):
                return small
        return case

    def _fewer_digits(self, case: Case) -> Case:
        (whole,) = self._probe([case])
        made = [case.with_lines(self._fit(line, share) for line in case.lines) for share in _FITS]
        found = self._probe(made)
        same = [one for one, seen in zip(made, found, strict=True) if self._is_same(whole, seen, case)]
        return min([case, *same], key=_length)

    def _fit(self, line: InputSeries, share: float) -> InputSeries:
        numbers = [value for value in line.values if isinstance(value, float)]
        span = max(numbers, default=0.0) - min(numbers, default=0.0)
        counter = self._is_counter(line.labels)
        return replace(line, values=tuple(fitted(line.values, span * share, counter=counter)))

    def _decisive(self, case: Case) -> Labels | None:
        """Return the series without which the alert never fires, or the first of several; None if there is none."""
        units = _units(case.lines)[:_MOST_PROBES_A_ROUND]
        found = self._probe([case.with_lines(_without(_units(case.lines), [[unit]])) for unit in units])
        silent = [unit for unit, one in zip(units, found, strict=True) if not one.error and not _fires(one, case)]
        return without_bucket(silent[0][0].labels) if silent else None

    def _is_same(self, whole: Observed, other: Observed, case: Case) -> bool:
        """Return whether two evaluations agree from the first that counts on."""
        if other.error:
            return False
        return _from(whole.timeline, case.since) == _from(other.timeline, case.since) and all(
            _is_near(before[number], after[number], threshold, whole.timeline)
            for before, after, threshold in zip(whole.values, other.values, self._thresholds, strict=True)
            for number in range(case.since, len(after))
        )


def _fires(observed: Observed, case: Case) -> bool:
    return any("f" in states[case.since :] for states in observed.timeline.values())


def _from(timeline: Timeline, since: int) -> Timeline:
    return {labels: states[since:] for labels, states in timeline.items() if states[since:].strip(".")}


def _is_near(
    before: dict[Labels, float], after: dict[Labels, float], threshold: float, alerts: Iterable[Labels]
) -> bool:
    """Return whether the values of every alert that was active are nearly the same."""
    for labels, value in before.items():
        own = {pair for pair in labels if pair[0] != "__name__"}
        if not any(own <= set(alert) for alert in alerts):
            continue
        other = after.get(labels)
        if other is None:
            return False
        if math.isnan(value) and math.isnan(other):
            continue
        allowed = max(_TOLERANCE * max(abs(value), abs(threshold)), _OF_DISTANCE * abs(value - threshold))
        if value != other and not abs(value - other) <= allowed:
            return False
    return True


def _shifted(whole: Observed, first: int, last: int) -> Observed:
    return Observed(
        {labels: states[first : last + 1] for labels, states in whole.timeline.items()},
        tuple(tuple(one[first : last + 1]) for one in whole.values),
    )


def _units(lines: Iterable[InputSeries]) -> list[list[InputSeries]]:
    """Group the buckets of each histogram; every other series is alone."""
    units: dict[Labels, list[InputSeries]] = {}
    for line in lines:
        units.setdefault(without_bucket(line.labels), []).append(line)
    return list(units.values())


def without_bucket(labels: Labels) -> Labels:
    """Return the labels that all buckets of a histogram share."""
    return tuple(pair for pair in labels if pair[0] != "le")


def _left(units: list[list[InputSeries]], chunks: Iterable[list[list[InputSeries]]]) -> list[list[InputSeries]]:
    gone = {id(unit) for chunk in chunks for unit in chunk}
    return [unit for unit in units if id(unit) not in gone]


def _without(units: list[list[InputSeries]], chunks: Iterable[list[list[InputSeries]]]) -> list[InputSeries]:
    gone = {unit[0].labels for chunk in chunks for unit in chunk}
    return [line for unit in units for line in unit if unit[0].labels not in gone]


def _length(case: Case) -> int:
    """Return how long the values of a case are as text."""
    values: list[Sequence[Value]] = [line.values for line in case.lines]
    return sum(len(spell_values(one)) for one in values)
