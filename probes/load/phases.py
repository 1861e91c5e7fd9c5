"""Phases of a load: the rate rises to that of the phase, and stays there while the phase is judged.

    phases:
      - {phase: baseline, from: 50, to: 100, ramp: 1m, hold: 2m}
      - {phase: phase 1, to: 300, ramp: 1m, hold: 2m}        # begins at the rate of the phase before

This file computes the stages of all phases, and the seconds in which each phase is judged.
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

RatePerSecond = Annotated[float, Field(ge=0, le=100_000)]
"""A pydantic field type: transactions a second."""


class StageSettings(Settings):
    """A straight line to the rate `target`; a stage with a duration of 0 is a jump."""

    duration: Duration = Field(ge=timedelta(0))
    target: RatePerSecond

    def scaled(self, time_scale: float) -> Self:
        """Divide the duration."""
        return self.model_copy(update={"duration": self.duration / time_scale})


class PhaseSettings(Settings):
    """A rise to a rate, and how long that rate is held; without `from` it starts at the rate of the phase before."""

    name: str = Field(alias="phase", min_length=1)
    start: RatePerSecond | None = Field(default=None, alias="from")
    to: Annotated[float, Field(gt=0, le=100_000)]
    ramp: Duration = Field(default=timedelta(0), ge=timedelta(0))
    hold: Duration = Field(gt=timedelta(0))

    def scaled(self, time_scale: float) -> Self:
        """Divide the durations; the rates stay."""
        return self.model_copy(update={"ramp": self.ramp / time_scale, "hold": self.hold / time_scale})


def stages(phases: Iterable[PhaseSettings]) -> tuple[StageSettings, ...]:
    """Convert phases to stages: a jump where `from` is another rate than the last, then the rise, then the hold."""
    found: list[StageSettings] = []
    rate = 0.0
    for phase in phases:
        if phase.start is not None and phase.start != rate:
            found.append(StageSettings(duration=timedelta(0), target=phase.start))
        found += [
            StageSettings(duration=phase.ramp, target=phase.to),
            StageSettings(duration=phase.hold, target=phase.to),
        ]
        rate = phase.to
    return tuple(found)


def held_seconds(phases: Sequence[PhaseSettings]) -> list[range]:
    """Return for each phase the full seconds of its hold, numbered from the load's start."""
    ends = accumulate((phase.ramp + phase.hold).total_seconds() for phase in phases)
    # A sum of floats may be slightly off a full second.
    spans = ((end - phase.hold.total_seconds(), end) for phase, end in zip(phases, ends, strict=True))
    return [range(math.ceil(start - 1e-6), math.floor(end + 1e-6)) for start, end in spans]
