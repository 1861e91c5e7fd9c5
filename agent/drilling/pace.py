"""How many labs run at once, at which time scale, and which drills are tried again: from measurements, without a clock.

A drill is tried again only if nothing but the machine spoiled it. Whatever else is wrong stays as it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.errors import NOT_HEALED, worst
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.verdict import Judgement
from alertdrill.lab.pace import ScrapeTiming, Spare

MOST_TRIES = 3
SLOWEST_SCALE = 1.0
# A lab uses about this much of a usual processor while it drills.
_PROCESSORS_OF_A_LAB = 0.45
_MOST_LABS = 16
_FASTEST_SCALE = 60.0
_SLOWEST_CHOSEN_SCALE = 3.75
_MUCH_STOLEN = 0.05
_SLOW = 0.8


@dataclass(frozen=True)
class ScaleStep:
    """A time scale, what it needs of a usual processor for each lab, and how late a scrape and the load may be there."""

    scale: float
    processors: float
    scrape_seconds: float
    load_seconds: float


# A scrape has a timeout of 0.25 s at the scales 60 and 30, then of 0.33, 0.67 and 1.33 s.
_STEPS = (
    ScaleStep(_FASTEST_SCALE, 0.52, 0.07, 0.05),
    ScaleStep(30.0, 0.40, 0.12, 0.10),
    ScaleStep(15.0, 0.25, 0.17, 0.17),
    ScaleStep(7.5, 0.12, 0.33, 0.33),
    ScaleStep(_SLOWEST_CHOSEN_SCALE, 0.0, math.inf, math.inf),
)


@dataclass(frozen=True)
class LabTiming:
    """What one lab could keep: the timing of its Prometheus, and how late 99 of 100 transactions of a load were sent."""

    timing: ScrapeTiming
    load_late_seconds: float


@dataclass(frozen=True)
class Wish:
    """What the user gave: None is "auto"."""

    labs: int | None
    scale: float | None


@dataclass(frozen=True)
class Pace:
    """Labs at once, and their time scale; `why` are the figures behind them, `warning` what the user gave too much."""

    labs: int
    scale: float
    why: tuple[str, ...]
    warning: str = ""

    @property
    def words(self) -> str:
        """The choice in one line."""
        return f"{_labs(self.labs)} at time scale {self.scale:g}: {', '.join(self.why)}"


def first_pace(spare: Spare, drills: int, wish: Wish) -> Pace:
    """Choose before any lab is started, from what the machine gave to a short piece of work."""
    usual = spare.free * min(spare.speed, 1.0)
    most = max(1, min(drills, spare.of + 1, _MOST_LABS))
    labs = min(max(int(usual / _PROCESSORS_OF_A_LAB), 1), most)
    used = wish.labs or labs
    scale = next(step.scale for step in _STEPS if usual / used >= step.processors)
    why = tuple(_of_machine(spare))
    return Pace(used, wish.scale or scale, why, _warning(wish, labs, scale, why))


def pace(first: Pace, spare: Spare, labs: Sequence[LabTiming], wish: Wish) -> Pace:
    """Choose again when the labs of the first choice have started, from how late they are."""
    scrapes = max((one.timing.scrape_late_seconds + one.timing.scrape_seconds for one in labs), default=0.0)
    load = max((one.load_late_seconds for one in labs), default=0.0)
    steps = [one for one in _STEPS if scrapes <= one.scrape_seconds and load <= one.load_seconds]
    kept = min(_half(first.scale) if _skipped(labs) else first.scale, steps[0].scale)
    scale = max(kept, min(first.scale, _SLOWEST_CHOSEN_SCALE))
    is_crowded = scale <= _half(_half(first.scale))
    few = math.ceil(first.labs / 2) if is_crowded else first.labs
    why = (*_of_machine(spare), *_of_labs(labs))
    return Pace(wish.labs or few, wish.scale or scale, why, _warning(wish, few, scale, why))


def _skipped(labs: Sequence[LabTiming]) -> int:
    return sum(one.timing.evaluations_skipped for one in labs)


def _warning(wish: Wish, labs: int, scale: float, why: tuple[str, ...]) -> str:
    """Return what the user asked for that may be too much for the machine; empty if nothing is."""
    given = [(_labs(wish.labs), _labs(labs))] if wish.labs is not None and wish.labs > labs else []
    if wish.scale is not None and wish.scale > scale:
        given.append((f"time scale {wish.scale:g}", f"{scale:g}"))
    if not given:
        return ""
    asked, kept = (" and ".join(one) for one in zip(*given, strict=True))
    return f"{asked} may be too much for this machine, {kept} would do: {', '.join(why)}"


def _labs(count: int) -> str:
    return "1 lab" if count == 1 else f"{count} labs"


def _of_machine(spare: Spare) -> Iterator[str]:
    yield f"{spare.free:.1f} of {spare.of} core{'s are' if spare.of > 1 else ' is'} free"
    if spare.speed < _SLOW:
        yield f"a core does {spare.speed:.0%} of the usual work"
    if spare.stolen >= _MUCH_STOLEN:
        yield f"{spare.stolen:.0%} of the time is taken from this machine"


def _of_labs(labs: Sequence[LabTiming]) -> Iterator[str]:
    if not labs:
        return
    late = max(one.timing.scrape_late_seconds for one in labs)
    longest = max(one.timing.scrape_seconds for one in labs)
    yield f"scrapes come {late * 1000:.0f} ms late and take up to {longest * 1000:.0f} ms"
    yield f"the load is sent {max(one.load_late_seconds for one in labs) * 1000:.0f} ms late"
    if skipped := _skipped(labs):
        yield f"{skipped} evaluation{'s were' if skipped > 1 else ' was'} skipped"


def _half(scale: float) -> float:
    return scale / 2


def slower(scale: float) -> float:
    """Return the time scale of the next try."""
    return max(_half(scale), SLOWEST_SCALE)


Judged = tuple[Recording, Judgement]


@dataclass
class Tries:
    """The last try of each drill, in the order of the first tries; `codes` are those of errors without a verdict."""

    last: list[Judged] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def add(self, done: Iterable[Judged], codes: Iterable[int]) -> None:
        """Take the drills of one more round: a later try replaces the one that was spoiled."""
        for one in done:
            earlier = next((n for n, other in enumerate(self.last) if _follows(one, other)), None)
            if earlier is None:
                self.last.append(one)
            else:
                self.last[earlier] = one
        self.codes += codes

    @property
    def spoiled(self) -> list[str]:
        """The names of the drills that nothing but the machine spoiled."""
        return [recording.drill.name for recording, judgement in self.last if judgement.spoiled_by_machine]

    def again(self, drills: Sequence[Drill], attempt: int) -> list[int]:
        """List the numbers of the drills that are to be tried once more as the given attempt."""
        if attempt > MOST_TRIES or NOT_HEALED in self.codes:
            return []
        left = Counter(self.spoiled)
        found = []
        for number, drill in enumerate(drills):
            if left[drill.name]:
                left[drill.name] -= 1
                found.append(number)
        return found

    @property
    def exit_code(self) -> int:
        """The worst code of the errors and of the last tries."""
        return worst([*self.codes, *(judgement.exit_code for _, judgement in self.last)])


def _follows(later: Judged, earlier: Judged) -> bool:
    is_next = later[0].attempt == earlier[0].attempt + 1 and later[0].drill.name == earlier[0].drill.name
    return is_next and earlier[1].spoiled_by_machine


def announced(names: Sequence[str], scale: float) -> str:
    """Return which drills are tried again, and how."""
    which = f"drill {names[0]}" if len(names) == 1 else f"{len(names)} drills ({', '.join(names)})"
    return f"the machine was too busy for {which}: again, one at a time, at time scale {scale:g}"
