"""Makes a case of a recording: its samples on regular grids, its stale markers, and what the alert did.

A sample is moved by less than a tenth of its interval, never past an evaluation, unless the recorded timeline shows that
the evaluation did not see it: promtool has no delays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median_low
from typing import Literal, TypeVar

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord, TargetRecord
from alertdrill.agent.recording.replay import ReplayRecord
from alertdrill.agent.regression.case import Case, InputSeries, Labels, Timeline
from alertdrill.agent.regression.closure import Closure, selects
from alertdrill.agent.regression.spelling import Value
from alertdrill.agent.rules.expression import Selector

# The finest grid of samples, in milliseconds, and those that read well.
_GRIDS_MS = (60_000, 30_000, 10_000, 5_000, 1_000, 500, 100, 50, 10, 5, 1)
# Longer before an evaluation, a scrape was surely written.
_LATEST_SECONDS = 1.0
# Of a target that is no longer scraped, Prometheus ends the series so many intervals after the last scrape.
_ENDS_AFTER = 2.1
# With so many intervals between two scrapes the target was gone until after that; two are a scrape that was left out.
_GONE_AFTER = 2.5
_Instant = TypeVar("_Instant", int, float)
# The share of scrapes that may be left out because they do not fit a regular grid.
_MOST_MISFITS = 0.1


class NotReplayable(Exception):
    """Why a recording cannot be made a test."""


@dataclass(frozen=True)
class Converted:
    """A case, and the recorded timeline of its alert."""

    case: Case
    timeline: Timeline


GridKind = Literal["regular", "exact", "waiting", "fine"]
"""How scrapes are put on grids.

On a regular grid away from the edges of ranges, where 2.x and 3.x differ; on one that may lie on these edges; on the
first, but each scrape that ended after an evaluation had begun behind that evaluation; or each at its own instant.
"""


@dataclass(frozen=True)
class Manner:
    """How a recording is read where it does not say everything.

    With `ends_in_gaps`, a target that was not scraped for long was gone, and its series ended; else the server stood still.
    """

    grid: GridKind = "regular"
    ends_in_gaps: bool = True


@dataclass(frozen=True)
class _Clock:
    """Converts milliseconds since the begin of the samples to milliseconds since zero."""

    zero_ms: int
    scale: float
    evaluation_ms: int
    turned: frozenset[int] = frozenset()
    ran_ms: Mapping[int, int] = field(default_factory=dict)
    manner: Manner = Manner()
    ended_ms: int = 0

    def at(self, milliseconds: float) -> int:
        return round((milliseconds - self.zero_ms) * self.scale)

    def next_evaluation(self, at_ms: int) -> int:
        return -(-at_ms // self.evaluation_ms) * self.evaluation_ms


def converted(
    recording: Recording,
    rule: RuleRecord,
    reads: Closure,
    turned: frozenset[int] = frozenset(),
    manner: Manner = Manner(),
) -> Converted:
    """Return the case of a rule that was active during a recording; raises NotReplayable.

    `turned` are the numbers of evaluations for which the scrape right before them is taken the other way: a scrape that
    had not ended when an evaluation began was not seen by it, and a busy server writes it later still.
    """
    replay = recording.replay
    if replay is None:
        raise NotReplayable(_why_nothing(recording))
    clock, numbers = _clock(recording, replay, rule)
    ended = clock.at((recording.ended_at - replay.since) * 1000)
    ran = _began(recording, rule, replay, clock)
    clock = replace(clock, turned=turned, ran_ms=ran, manner=manner, ended_ms=ended)
    last = _last_evaluation(clock)
    lines = _lines(replay, reads, clock)
    since = math.ceil(clock.at((recording.started_at - replay.since) * 1000) / clock.evaluation_ms)
    timeline = {
        labels: "".join(states.get(number, ".") for number in range(last + 1)) for labels, states in numbers.items()
    }
    begins = min((fault.injected_at for fault in recording.faults), default=recording.started_at)
    healed = max((fault.healed_at for fault in recording.faults), default=None)
    case = Case(
        evaluation_ms=clock.evaluation_ms,
        evaluations=last + 1,
        since=max(since, 0),
        lines=tuple(lines),
        begins_ms=_rounded(clock.at((begins - replay.since) * 1000), clock),
        healed_ms=None if healed is None else _rounded(clock.at((healed - replay.since) * 1000), clock),
    )
    return Converted(case, timeline)


def _began(recording: Recording, rule: RuleRecord, replay: ReplayRecord, clock: _Clock) -> dict[int, int]:
    """Return when each observed evaluation of the rule's group really began, by its number."""
    offset = next((one.query_offset_seconds for one in recording.watched if one.alert == rule.alert), 0.0)
    instants = [
        (one.at - replay.since) * 1000
        for group in recording.groups
        if (group.group, group.file) == (rule.group, rule.file)
        for one in group.evaluations
    ]
    return {clock.at(at - offset * 1000) // clock.evaluation_ms: clock.at(at) for at in instants}


def _rounded(at_ms: int, clock: _Clock) -> int:
    """Round an instant of the fault to what reads well, by less than a thirtieth of an interval."""
    unit = next(unit for unit in (1_000, 100, 10, 1) if unit * 15 <= clock.evaluation_ms or unit == 1)
    return round(at_ms / unit) * unit


def _why_nothing(recording: Recording) -> str:
    if recording.version < 3:
        return (
            f"the recording has version {recording.version}, without raw samples: it cannot be replayed;"
            " run the drill again to record them"
        )
    return "the recording has no raw samples: it cannot be replayed"


def _clock(recording: Recording, replay: ReplayRecord, rule: RuleRecord) -> tuple[_Clock, dict[Labels, dict[int, str]]]:
    """Return the clock of a rule, and the states of its alerts by the numbers of the evaluations."""
    samples = [one for one in recording.alerts if one.labels["alertname"] == rule.alert and one.instants]
    if not samples:
        raise NotReplayable(f"{rule.alert} was never active in this recording, so there is nothing to replay")
    if not any(one.state == "firing" for one in samples):
        raise NotReplayable(
            f"{rule.alert} was pending, but never fired in this recording, so there is nothing to replay"
        )
    interval_ms = round(rule.interval_seconds * 1000)
    on_grid = round((samples[0].instants[0] - replay.since) * 1000)
    zero, scale = on_grid % interval_ms, recording.time_scale
    clock = _Clock(zero, scale, round(interval_ms * scale))
    states: dict[Labels, dict[int, str]] = {}
    for one in samples:
        own = states.setdefault(tuple(sorted(one.labels.items())), {})
        for instant in one.instants:
            at = clock.at((instant - replay.since) * 1000)
            own[round(at / clock.evaluation_ms)] = one.state[0]
    return clock, states


def _last_evaluation(clock: _Clock) -> int:
    """Return the number of the last evaluation that was surely written when the samples were fetched."""
    return max(clock.ended_ms // clock.evaluation_ms - 1, 0)


def _lines(replay: ReplayRecord, reads: Closure, clock: _Clock) -> list[InputSeries]:
    """Return every series that the rule reads and does not record itself."""
    own = {rule.rule.record for rule in reads.rules if rule.rule.record is not None}
    scrapes = {(target.job, target.instance): target for target in replay.targets}
    grids: dict[tuple[str, str], _Grid] = {}
    lines = []
    for labels, samples in replay.samples():
        if labels.get("__name__") in own or not any(selects(selector, labels) for selector in reads.reads):
            continue
        key = (labels.get("job", ""), labels.get("instance", ""))
        target = scrapes.get(key)
        at = {clock.at(instant): value for instant, value in samples}
        scraped = _scraped(replay, target, clock) if target is not None else {}
        if target is None or not set(at) <= set(scraped):
            # Its samples have instants of their own.
            grid = _Grid.of(dict.fromkeys(at, 0), _usual_step(at), reads, clock)
        elif key in grids:
            grid = grids[key]
        else:
            step = round(target.interval_seconds * 1000 * clock.scale)
            grid = grids[key] = _Grid.of(scraped, step or _usual_step(scraped), reads, clock)
        factor = clock.scale if _is_per_second(reads.per_second, labels) else 1.0
        lines.append(grid.line(labels, {instant: value * factor for instant, value in at.items()}))
    return sorted((line for line in lines if line.values), key=lambda line: line.labels)


def _is_per_second(selectors: Iterable[Selector], labels: Mapping[str, str]) -> bool:
    """Return whether a rule reads the rate of a series: in stretched time it must count more, or its rate would fall."""
    return any(selects(selector, dict(labels)) for selector in selectors)


def _scraped(replay: ReplayRecord, target: TargetRecord, clock: _Clock) -> dict[int, int]:
    """Return the instants of a target's scrapes, and how long each took; one without samples wherever its series end."""
    found = {
        # Samples are recorded in whole milliseconds.
        # A scrape never takes longer than its interval.
        clock.at(round((instant - replay.since) * 1000)): round(min(took, target.interval_seconds) * 1000 * clock.scale)
        for instant, took in zip(target.instants, target.durations_seconds, strict=True)
    }
    interval_ms = target.interval_seconds * 1000 * clock.scale
    last = _before_gaps(found, interval_ms) if clock.manner.ends_in_gaps else []
    ends = [at + round(_ENDS_AFTER * interval_ms) for at in (*last, *sorted(found)[-1:])]
    return found | {at: 0 for at in ends if at < clock.ended_ms}


def has_gaps(replay: ReplayRecord) -> bool:
    """Return whether a target was not scraped for so long that it may have been gone, and was scraped again."""
    return any(_before_gaps(target.instants, target.interval_seconds) for target in replay.targets)


def _before_gaps(instants: Iterable[_Instant], interval: float) -> list[_Instant]:
    """Return each instant after which there is none for clearly longer than two intervals."""
    longest = _GONE_AFTER * interval
    return [before for before, after in pairwise(sorted(instants)) if after - before > longest > 0]


def _usual_step(instants: Iterable[int]) -> int:
    steps = [after - before for before, after in pairwise(sorted(instants))]
    return median_low(steps) if steps else 1000


@dataclass(frozen=True)
class _Grid:
    """A regular grid for the scrapes of a target: the number of the value for each of its instants."""

    offset_ms: int
    step_ms: int
    numbers: dict[int, int]

    @classmethod
    def of(cls, scraped: Mapping[int, int], step_ms: int, reads: Closure, clock: _Clock) -> _Grid:
        """Return the coarsest grid on which nearly all scrapes lie between the same evaluations as before."""
        seen = {at: _seen_from(at, took, clock) for at, took in sorted(scraped.items())}
        edges = sorted({0, *(round(edge * 1000) for edge in reads.edges)})
        grid = None if clock.manner.grid == "fine" else _regular(seen, step_ms, edges, clock)
        if grid is not None:
            return grid
        for fine in _GRIDS_MS:
            # What lies right behind an evaluation must not be rounded to it.
            found = cls(
                0,
                fine,
                {
                    at: math.ceil(from_ms / fine) if from_ms > at else round(from_ms / fine)
                    for at, from_ms in seen.items()
                },
            )
            if fine < step_ms and not found.misfits(seen, clock):
                return found
        return cls(0, 1, dict(seen))

    def misfits(self, seen: Mapping[int, int], clock: _Clock) -> list[int]:
        """List the scrapes that this grid puts behind another evaluation, or on the place of another scrape."""
        taken: set[int] = set()
        wrong = []
        for at, from_ms in seen.items():
            number = self.numbers[at]
            here = self.offset_ms + number * self.step_ms
            if clock.next_evaluation(here) != clock.next_evaluation(from_ms) or number in taken or number < 0:
                wrong.append(at)
            taken.add(number)
        return wrong

    def line(self, labels: Mapping[str, str], samples: Mapping[int, float]) -> InputSeries:
        """Return a series of these scrapes; one that is missing at a scrape ends there."""
        values: dict[int, Value] = {}
        before = False
        for at, number in self.numbers.items():
            if at in samples:
                values[number] = samples[at]
            elif before:
                values[number] = "stale"
            before = at in samples
        numbers = [number for number in values if number >= 0]
        listed = tuple(values.get(number) for number in range(max(numbers, default=-1) + 1))
        return InputSeries(tuple(sorted(labels.items())), self.offset_ms, self.step_ms, listed)


def _seen_from(at: int, took: int, clock: _Clock) -> int:
    """Return the instant from which evaluations see a scrape: not those that began before it had ended."""
    following = seen = clock.next_evaluation(at)
    # A sample behind an evaluation also comes into ranges that begin there. So it is put there only where that shows.
    if clock.manner.grid == "waiting" and took > 0:
        # A scrape that hangs until its timeout may be missed by several evaluations.
        while at + took > clock.ran_ms.get(seen // clock.evaluation_ms, seen):
            seen += clock.evaluation_ms
    is_missed = seen > following
    if following // clock.evaluation_ms in clock.turned and following - at < _LATEST_SECONDS * 1000 * clock.scale:
        is_missed = not is_missed
    return max(seen - clock.evaluation_ms, following) + 1 if is_missed else at


def _regular(seen: Mapping[int, int], step: int, edges: Sequence[int], clock: _Clock) -> _Grid | None:
    """Return a grid of one value for each scrape; the scrapes that do not fit are left out, if they are few."""
    if not seen:
        return _Grid(0, step, {})
    reference = next(iter(seen.values()))
    apart = {at: round((from_ms - reference) / step) for at, from_ms in seen.items()}
    shifts = [from_ms - reference - apart[at] * step for at, from_ms in seen.items()]
    exact = reference + median_low(shifts)
    candidates = [
        grid for unit in _GRIDS_MS if unit * 10 <= step for grid in _candidates(exact, unit, step, edges, clock)
    ]
    best: tuple[int, _Grid, list[int]] | None = None
    for offset in candidates:
        shift = round((reference - offset) / step)
        grid = _Grid(offset, step, {at: number + shift for at, number in apart.items()})
        wrong = grid.misfits(seen, clock)
        if best is None or len(wrong) < best[0]:
            best = (len(wrong), grid, wrong)
        if not wrong:
            break
    if best is None or best[0] > max(len(seen) * _MOST_MISFITS, 1):
        return None
    left_out = set(best[2])
    return _Grid(best[1].offset_ms, step, {at: n for at, n in best[1].numbers.items() if at not in left_out})


def _candidates(exact: int, unit: int, step: int, edges: Sequence[int], clock: _Clock) -> list[int]:
    """List offsets near the exact one, the nearest first, at which no sample lies on the edge of a range."""
    if clock.manner.grid == "exact":
        return [exact % step]
    apart = math.gcd(step, clock.evaluation_ms)
    near = sorted((round(exact / unit) + shift for shift in (-1, 0, 1)), key=lambda number: abs(number * unit - exact))
    offsets = [number * unit % step for number in near]
    return [offset for offset in offsets if all((offset + edge) % apart for edge in edges)]
