"""A case for promtool: series on regular grids, the instants of a fault, and what an alert did at each evaluation.

Zero is an instant of the rule's own evaluations, so those of promtool at 0, E, 2E are those of the server. All instants
are milliseconds since zero, and a recording of a lab with a time scale is stretched back to the durations of its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from alertdrill.agent.regression.spelling import Value

Labels = tuple[tuple[str, str], ...]
Timeline = dict[Labels, str]
"""For each alert a letter for each evaluation: `.` inactive, `p` pending, `f` firing."""

_CONTINUED_FROM = 4


@dataclass(frozen=True)
class InputSeries:
    """One series: a value at `offset_ms`, and one more every `step_ms`."""

    labels: Labels
    offset_ms: int
    step_ms: int
    values: tuple[Value, ...]

    @property
    def name(self) -> str:
        """The name of the metric."""
        return dict(self.labels).get("__name__", "")

    @property
    def ends_ms(self) -> int:
        """The instant of the first value that it has no more."""
        return self.offset_ms + len(self.values) * self.step_ms

    def slots_before(self, instant_ms: int) -> int:
        """Return how many of its values lie before an instant."""
        return max(min(-(-(instant_ms - self.offset_ms) // self.step_ms), len(self.values)), 0)


IsCounter = Callable[[Labels], bool]


@dataclass(frozen=True)
class Case:
    """Series, and the evaluations from the number `since` on that count; those before lack their history.

    The fault began at `begins_ms` and ended at `healed_ms`, which is None if that is not known.
    """

    evaluation_ms: int
    evaluations: int
    since: int
    lines: tuple[InputSeries, ...]
    begins_ms: int = 0
    healed_ms: int | None = None

    @property
    def ends_ms(self) -> int:
        """The instant of the last evaluation."""
        return (self.evaluations - 1) * self.evaluation_ms

    def samples_on(self, distance_ms: int) -> int:
        """Count the samples that are exactly so long before an evaluation."""
        return sum(
            value is not None and (line.offset_ms + number * line.step_ms + distance_ms) % self.evaluation_ms == 0
            for line in self.lines
            for number, value in enumerate(line.values)
        )

    def with_lines(self, lines: Iterable[InputSeries]) -> Case:
        """Return it with other series."""
        return replace(self, lines=tuple(lines))

    def cut(self, first: int, last: int) -> Case:
        """Return only the evaluations from one number to another, with the samples of that time."""
        zero = first * self.evaluation_ms
        return replace(
            self,
            evaluations=last - first + 1,
            since=max(self.since - first, 0),
            lines=tuple(_cut(line, zero, last * self.evaluation_ms) for line in self.lines),
            begins_ms=self.begins_ms - zero,
            healed_ms=None if self.healed_ms is None else self.healed_ms - zero,
        )

    def quiet(self, is_counter: IsCounter) -> Case | None:
        """Return the time before the fault, repeated to the whole length; None if there is none.

        The last evaluation before the fault is left out: a sample that was moved may already have seen it.
        """
        until = self.begins_ms - self.evaluation_ms
        if until < self.evaluation_ms:
            return None
        return self.with_lines(_repeated(line, until, is_counter) for line in self.lines)

    def held(self, from_ms: int, until_ms: int, is_counter: IsCounter) -> Case | None:
        """Return it with a fault that goes on until an instant, as it was at another; None if its end is not known."""
        if self.healed_ms is None or self.healed_ms >= until_ms:
            return None
        lines = (_continued(line, from_ms, until_ms, is_counter) for line in self.lines)
        return replace(self.with_lines(lines), evaluations=until_ms // self.evaluation_ms + 1, healed_ms=until_ms)

    def longer(self, by_ms: int, is_counter: IsCounter) -> Case:
        """Return it with more time at its end, in which the last state goes on."""
        until = self.ends_ms + by_ms
        lines = (_continued(line, line.ends_ms, until, is_counter) for line in self.lines)
        return replace(self.with_lines(lines), evaluations=until // self.evaluation_ms + 1)

    def at_interval(self, evaluation_ms: int) -> Case:
        """Return it for another evaluation interval of the rule's group."""
        since = -(-self.since * self.evaluation_ms // evaluation_ms)
        return replace(
            self, evaluation_ms=evaluation_ms, evaluations=-(-self.ends_ms // evaluation_ms) + 1, since=since
        )


def _cut(line: InputSeries, zero: int, last: int) -> InputSeries:
    first = line.slots_before(zero)
    values = line.values[first : line.slots_before(last + 1)]
    return replace(line, offset_ms=line.offset_ms + first * line.step_ms - zero, values=values)


def _repeated(line: InputSeries, until_ms: int, is_counter: IsCounter) -> InputSeries:
    before = line.values[: line.slots_before(until_ms)]
    if not before:
        return replace(line, values=())
    length = len(line.values)
    if not is_counter(line.labels):
        return replace(line, values=tuple(before[n % len(before)] for n in range(length)))
    growth = _increments(before) or [0.0]
    return replace(line, values=_grown(before, growth, length))


def _continued(line: InputSeries, from_ms: int, until_ms: int, is_counter: IsCounter) -> InputSeries:
    before = line.values[: line.slots_before(from_ms)]
    length = replace(line, values=line.values + (None,) * (until_ms // line.step_ms + 1)).slots_before(until_ms + 1)
    if not before:
        return replace(line, values=())
    last = before[-1]
    if not isinstance(last, float):
        return replace(line, values=before + (None,) * (length - len(before)))
    growth = [0.0]
    if is_counter(line.labels):
        recent = _increments(before[-_CONTINUED_FROM - 1 :])
        growth = [sum(recent) / len(recent)] if recent else [0.0]
    return replace(line, values=_grown(before, growth, length))


def _increments(values: Sequence[Value]) -> list[float]:
    """Return how much a counter grew from one sample to the next; after a reset, from 0."""
    samples = [value for value in values if isinstance(value, float)]
    return [after - before if after >= before else after for before, after in pairwise(samples)]


def _grown(values: Sequence[Value], growth: Sequence[float], length: int) -> tuple[Value, ...]:
    made = list(values)
    value = next((one for one in reversed(made) if isinstance(one, float)), None)
    number = 0
    while len(made) < length:
        if value is not None:
            value += growth[number % len(growth)]
            number += 1
        made.append(value)
    return tuple(made[:length])


@dataclass(frozen=True)
class AlertActivity:
    """An alert that was active once: seconds since the begin of the fault, None where that did not happen."""

    labels: Labels
    pending: float
    firing: float | None
    resolved: float | None


def stretches(timeline: Mapping[Labels, str], case: Case) -> list[AlertActivity]:
    """List when alerts were active, among the evaluations that count, the first to fire first."""
    found = [one for labels, states in timeline.items() for one in _stretches(labels, states, case)]
    return sorted(found, key=lambda one: (one.firing is None, one.firing or 0.0, one.pending, one.labels))


def _stretches(labels: Labels, states: str, case: Case) -> Iterable[AlertActivity]:
    def seconds(number: int) -> float:
        return (number * case.evaluation_ms - case.begins_ms) / 1000

    at = 0
    for is_active, letters in groupby(states, key=lambda letter: letter != "."):
        length = len(list(letters))
        end, here = at + length, states[at : at + length]
        if is_active and end > case.since:
            firing = here.find("f")
            yield AlertActivity(
                labels,
                seconds(at),
                None if firing < 0 else seconds(at + firing),
                seconds(end) if end < len(states) else None,
            )
        at = end


def first_difference(recorded: Timeline, replayed: Timeline, since: int) -> tuple[int, Labels] | None:
    """Return the first evaluation at which two timelines differ, and the alert; None if there is none."""
    length = max((len(states) for states in (*recorded.values(), *replayed.values())), default=0)
    silent = "." * length
    for number in range(since, length):
        for labels in sorted({*recorded, *replayed}):
            if recorded.get(labels, silent)[number] != replayed.get(labels, silent)[number]:
                return number, labels
    return None
