"""The `load:` section of a probe file: how many transactions a second, for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from alertdrill.probes.load import phases
from alertdrill.probes.load.arrivals import Arrivals, ConstantArrivals
from alertdrill.probes.load.phases import PhaseSettings, RatePerSecond, StageSettings
from alertdrill.probes.load.poisson import PoissonArrivals
from alertdrill.probes.load.ramping import RampingArrivals, Stage
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings


class LoadSettings(Settings):
    """A constant `rate`, or `stages` that begin at `start_rate`, or `phases`.

    A constant rate without a `duration` has no end. Rates are in transactions a second. `poisson` sends at random
    times with the same mean rate; the same `seed` gives the same times. After the last due time the load waits
    for missing answers for at most `graceful_stop`.
    """

    rate: Annotated[float, Field(gt=0, le=100_000)] | None = None
    duration: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    start_rate: RatePerSecond = 0.0
    stages: tuple[StageSettings, ...] = ()
    phases: tuple[PhaseSettings, ...] = ()
    poisson: bool = False
    seed: int = 0
    max_in_flight: int = Field(default=10_000, gt=0)
    graceful_stop: Duration = Field(default=timedelta(seconds=30), ge=timedelta(0))

    @model_validator(mode="after")
    def _is_constant_or_ramping(self) -> LoadSettings:
        if self.rate is None and not self.steps:
            raise ValueError("has no rate and no stages, expected rate: 100 or stages: [{duration: 2m, target: 100}]")
        self._require_phases_alone()
        if self.rate is not None and self.stages:
            raise ValueError("has both rate and stages, expected rate (constant) or stages (ramping)")
        if self.stages and self.duration is not None:
            raise ValueError("has both duration and stages, expected the duration of each stage alone")
        if self.rate is not None and "start_rate" in self.model_fields_set:
            raise ValueError("has both rate and start_rate, expected start_rate beside stages alone")
        if self._regular_arrivals().total == 0:
            raise ValueError("has stages in which nothing is sent, expected a rate above 0 for some time")
        return self

    def _require_phases_alone(self) -> None:
        others = [name for name in ("rate", "stages", "duration", "start_rate") if name in self.model_fields_set]
        if self.phases and others:
            raise ValueError(f"has both phases and {others[0]}, expected phases alone")
        names = [phase.name for phase in self.phases]
        if doubled := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"has two phases named {doubled!r}, expected a name of its own for each")

    @property
    def steps(self) -> tuple[StageSettings, ...]:
        """The stages, or those made from the phases; empty for a constant load."""
        return self.stages or phases.stages(self.phases)

    def arrivals(self) -> Arrivals:
        """Return the due times for these settings."""
        return PoissonArrivals(self._regular_arrivals(), self.seed) if self.poisson else self._regular_arrivals()

    def scaled(self, time_scale: float) -> LoadSettings:
        """Divide the durations of the load; the rates and the time for missing answers stay."""
        duration = None if self.duration is None else self.duration / time_scale
        stages = tuple(stage.scaled(time_scale) for stage in self.stages)
        scaled = tuple(phase.scaled(time_scale) for phase in self.phases)
        return self.model_copy(update={"duration": duration, "stages": stages, "phases": scaled})

    def _regular_arrivals(self) -> ConstantArrivals | RampingArrivals:
        if self.rate is not None:
            return ConstantArrivals(self.rate, None if self.duration is None else self.duration.total_seconds())
        stages = (Stage(stage.duration.total_seconds(), stage.target) for stage in self.steps)
        return RampingArrivals(self.start_rate, tuple(stages))
