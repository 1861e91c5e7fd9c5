"""Hypothesis strategies for whole cases.

Times are drawn as multiples and fractions of the scrape and evaluation intervals: so equal times, at which engines
differ, are frequent. Phases, lags and durations are any number of milliseconds.
"""

from __future__ import annotations

from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from simulator.alertmanager import Mute, Routing
from simulator.case import Case
from simulator.group import Flags, Group
from simulator.promql import Condition
from simulator.rules import Rule
from simulator.scrape import Restart, Target
from simulator.service import Service
from simulator.storage import Version
from simulator.subjects import SUBJECTS, Subject, Times
from simulator.values import NEVER, Labels, Millis, Stretches, labels_of

KINDS = tuple(SUBJECTS)
BEGINS: Millis = 1_790_000_000_000

_INTERVALS: tuple[Millis, ...] = (1000, 2000, 5000, 10_000, 15_000, 30_000)
_EVALUATIONS = (20, 25, 30, 40, 60, 90, 140, 200)


@st.composite
def times(draw: st.DrawFn, begins: Millis = BEGINS, unit: Millis = 1, *, warm: bool = True) -> Times:
    """Draw a frame; instants and lengths are multiples of `unit`; if `warm`, it has been scraped for a while."""
    evaluation = draw(st.sampled_from(_INTERVALS))
    length = evaluation * draw(st.sampled_from(_EVALUATIONS))
    scrape = draw(st.sampled_from([each for each in _INTERVALS if evaluation <= 6 * each and 10 * each <= length]))
    at = draw(st.integers(length // 5 // unit, length // 2 // unit)) * unit
    stretches = []
    count = draw(st.sampled_from((1, 1, 2, 4)))
    for _ in range(count):
        share = draw(st.sampled_from((2, 3, 4, 8, 30) if count == 1 else (6, 12, 30)))
        more = draw(st.integers(0, evaluation // unit))
        lasts = (length // share // unit + more) * unit
        stretches.append((begins + at, begins + at + lasts))
        at += lasts + draw(st.integers(1, 5 * evaluation // unit)) * unit
    # Long enough for the longest window to be full at the start.
    since = begins - 22 * scrape if warm else begins
    return Times(scrape, evaluation, begins, begins + length, Stretches(tuple(stretches)), since)


def _hold(draw: st.DrawFn, interval: Millis) -> Millis:
    """Draw zero, less than an interval, one interval, more, a multiple or not."""
    halves = draw(st.sampled_from((0, 0, 1, 2, 3, 4, 5, 6, 10, 13, 20)))
    return halves * interval // 2


def _targets(draw: st.DrawFn, frame: Times, subject: Subject, *, plain: bool) -> tuple[Target, ...]:
    """Draw one to three targets; the first has the fault, the others may."""
    return tuple(
        _target(draw, frame, subject, index, plain=plain) for index in range(draw(st.sampled_from((1, 1, 2, 3))))
    )


def _target(draw: st.DrawFn, frame: Times, subject: Subject, index: int, *, plain: bool) -> Target:
    unit = 1000 if plain else 1
    faulty = index == 0 or draw(st.booleans())
    starts = [frame.scraped_since - draw(st.sampled_from((3_600_000, 3_600_000, 20_000)))]
    if draw(st.integers(0, 9)) == 0:
        starts.append(frame.begins + draw(st.integers(1, (frame.ends - frame.begins) // unit)) * unit)
    timeout = min(10_000, frame.scrape)
    duration = 0 if plain else draw(st.integers(1, min(300, timeout // 2)))
    return Target(
        job="api",
        instance=f"{index + 1}:8080",
        service=Service(subject.signals, tuple(starts), frame.fault if faulty else NEVER, subject.outage),
        interval=frame.scrape,
        phase=draw(st.integers(0, frame.scrape // unit - 1)) * unit,
        timeout=timeout,
        duration=duration,
        reads_after=draw(st.sampled_from((0, 0, duration))),
        dropped_at=frame.fault.of[0][0] if subject.drops and faulty else None,
    )


def _group(draw: st.DrawFn, frame: Times) -> Group:
    group = Group(
        interval=frame.evaluation,
        offset=draw(st.integers(0, frame.evaluation - 1)),
        lag=draw(st.sampled_from((0, 1, 3, 40))),
        query_offset=draw(st.sampled_from((0, 0, 0, 0, 500, 5000))),
    )
    if draw(st.integers(0, 7)):
        return group
    instants = group.evaluation_instants(frame.begins, frame.ends)
    some = st.frozensets(st.sampled_from(instants), max_size=3)
    return Group(group.interval, group.offset, group.lag, group.query_offset, draw(some), draw(some))


def _routing(draw: st.DrawFn, frame: Times) -> Routing:
    wait = draw(st.sampled_from((0, frame.evaluation // 2, 2 * frame.evaluation, 30_000)))
    mutes: tuple[Mute, ...] = ()
    if draw(st.integers(0, 15)) == 0:
        begin = draw(st.integers(frame.begins, frame.ends - 1))
        lasts = draw(st.integers(1, frame.ends - begin))
        mutes = (Mute("silence", Stretches(((begin, begin + lasts),)), labels_of(alertname="Drawn")),)
    return Routing(
        group_by=draw(st.sampled_from((("alertname",), ("alertname", "instance")))),
        group_wait=wait,
        group_interval=draw(st.sampled_from((frame.evaluation, 5 * frame.evaluation, 300_000))),
        repeat_interval=draw(st.sampled_from((12 * frame.evaluation + 7, 14_400_000))),
        send_resolved=draw(st.sampled_from((True, True, True, False))),
        destroys_emptied=draw(st.booleans()),
        cleanup_phase=draw(st.integers(0, 29_999)),
        transit=draw(st.sampled_from((0, 2))),
        delivery=draw(st.sampled_from((1, 8))),
        mutes=mutes,
    )


def _restart(draw: st.DrawFn, frame: Times) -> Restart | None:
    if draw(st.integers(0, 15)):
        return None
    down_at = draw(st.integers(frame.begins + 1, frame.ends - 2))
    return Restart(down_at, draw(st.integers(down_at + 1, frame.ends)))


def _rule(draw: st.DrawFn, condition: Condition, interval: Millis) -> Rule:
    labels: Labels = labels_of(severity="page")
    keep = draw(st.sampled_from((0, 0, 0, 1, 2, 3, 5, 12))) * interval // 2
    return Rule("Drawn", condition, _hold(draw, interval), keep, labels)


@st.composite
def cases(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> Case:
    """Draw any case."""
    frame = draw(times())
    kind = draw(st.sampled_from(kinds))
    subject = SUBJECTS[kind](draw, frame)
    grace = draw(st.sampled_from((600_000, 600_000, frame.evaluation)))
    return Case(
        kind=kind,
        begins=frame.begins,
        ends=frame.ends,
        fault=frame.fault,
        targets=_targets(draw, frame, subject, plain=False),
        rule=_rule(draw, subject.condition, frame.evaluation),
        group=_group(draw, frame),
        routing=_routing(draw, frame),
        flags=Flags(draw(st.sampled_from((60_000, 2 * frame.evaluation))), grace),
        version=draw(st.sampled_from(Version)),
        lookback=draw(st.sampled_from((300_000, 300_000, 4 * frame.scrape))),
        restart=_restart(draw, frame),
        scraped_since=frame.scraped_since,
    )


@st.composite
def plain_cases(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, version: Version = Version.V2) -> Case:
    """Draw a case that promtool can play too.

    It begins at 0, scrapes take no time and begin on whole seconds, evaluations are at 0, E, 2E…, nothing is skipped.
    """
    frame = draw(times(begins=0, unit=1000, warm=False))
    kind = draw(st.sampled_from(kinds))
    subject = SUBJECTS[kind](draw, frame)
    return Case(
        kind=kind,
        begins=frame.begins,
        ends=frame.ends,
        fault=frame.fault,
        targets=_targets(draw, frame, subject, plain=True),
        rule=_rule(draw, subject.condition, frame.evaluation),
        group=Group(frame.evaluation),
        version=version,
    )


def draw_many(strategy: st.SearchStrategy[Case], count: int, start: int = 0) -> list[Case]:
    """Draw a number of distinct cases; they stay the same as long as the same modules are loaded.

    Hypothesis also uses the numbers that it finds in the source of loaded modules.
    """
    found: dict[Case, None] = {}
    # Hypothesis repeats some cases, the smallest first, so one round is not enough.
    rounds = 0
    while len(found) < count:
        rounds += 1

        @seed(f"{start}/{rounds}")
        @settings(max_examples=max(50, count - len(found)), phases=[Phase.generate], database=None, deadline=None)
        @given(strategy)
        def collect(case: Case) -> None:
            found[case] = None

        collect()
    return list(found)[:count]
