"""Phases of a load: the rate rises to each, and is held there for as long as the phase is judged.

    phases:
      - {phase: baseline, from: 50, to: 100, ramp: 1m, hold: 2m}
      - {phase: phase 1, to: 300, ramp: 1m, hold: 2m}        # from where the one before it ended

Pure: phases come to stages, and to the seconds in which each is judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Annotated, Self

from pydantic import Field

from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings

Rate = Annotated[float, Field(ge=0, le=100_000)]
"""A pydantic field type: transactions a second."""


class StageSettings(Settings):
    """A straight line to the rate `target`; a duration of 0 is a jump."""

    duration: Duration = Field(ge=timedelta(0))
    target: Rate

    def scaled(self, time_scale: float) -> Self:
        """Divide the duration."""
        return self.model_copy(update={"duration": self.duration / time_scale})


class PhaseSettings(Settings):
    """A rise from one rate to another, and how long that is held; `from` is the end of the phase before it if none."""

    name: str = Field(alias="phase", min_length=1)
    start: Rate | None = Field(default=None, alias="from")
    to: Annotated[float, Field(gt=0, le=100_000)]
    ramp: Duration = Field(default=timedelta(0), ge=timedelta(0))
    hold: Duration = Field(gt=timedelta(0))

    def scaled(self, time_scale: float) -> Self:
        """Divide the durations; the rates stay."""
        return self.model_copy(update={"ramp": self.ramp / time_scale, "hold": self.hold / time_scale})


def stages(phases: Iterable[PhaseSettings]) -> tuple[StageSettings, ...]:
    """Spell phases as stages: a jump where one does not begin where the last ended, the rise, the hold."""
    spelled: list[StageSettings] = []
    rate = 0.0
    for phase in phases:
        if phase.start is not None and phase.start != rate:
            spelled.append(StageSettings(duration=timedelta(0), target=phase.start))
        spelled += [
            StageSettings(duration=phase.ramp, target=phase.to),
            StageSettings(duration=phase.hold, target=phase.to),
        ]
        rate = phase.to
    return tuple(spelled)


def held_seconds(phases: Sequence[PhaseSettings]) -> list[range]:
    """Tell of each phase the numbers of the whole seconds, from the load's start, that lie in its hold."""
    ends = accumulate((phase.ramp + phase.hold).total_seconds() for phase in phases)
    # Sums of floats may miss a whole second by a hair.
    spans = ((end - phase.hold.total_seconds(), end) for phase, end in zip(phases, ends, strict=True))
    return [range(math.ceil(start - 1e-6), math.floor(end + 1e-6)) for start, end in spans]
