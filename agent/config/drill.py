"""A drill file: load, baseline, faults on a time line, and what is expected of each alert."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, FieldSerializationInfo, ValidationInfo, field_serializer, model_validator

from alertdrill.agent.config.probe import read_probe
from alertdrill.agent.config.yaml_source import from_its_file, read_settings
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.registry import AnyFault
from alertdrill.chaos.timeline import contradictions, repetitions
from alertdrill.lab.parts import Parts
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.figures.thresholds import Thresholds
from alertdrill.units.duration import Duration
from alertdrill.units.promql import PromQL
from alertdrill.units.settings import Settings
from alertdrill.units.time_scale import scale_expr

KIND = "surge"
"""Its kind beside those of faults."""


def _read_from_its_file(probe: object, info: ValidationInfo) -> object:
    return from_its_file(probe, info, read_probe)


class Surge(Settings):
    """So many transactions a second in addition, from `at` after the baseline on: of the agent's probe unless named."""

    rate: float = Field(gt=0, le=100_000)
    at: Duration = Field(default=timedelta(0), ge=timedelta(0))
    lasts: Duration | Literal["until-fired"] = "until-fired"
    max_in_flight: int = Field(default=10_000, gt=0)
    probe: Annotated[AnyProbe | None, BeforeValidator(_read_from_its_file)] = None

    @property
    def target(self) -> str:
        """What it does, in words."""
        what = f" of {', '.join(one.name for one in self.probe.counted)}" if self.probe is not None else ""
        return f"{self.rate:g} transactions a second more{what}"

    def scaled(self, time_scale: float) -> Self:
        """Divide when it begins and how long it lasts; its rate stays as it is."""
        lasts = self.lasts / time_scale if isinstance(self.lasts, timedelta) else self.lasts
        return self.model_copy(update={"at": self.at / time_scale, "lasts": lasts})


class DrillLoad(Settings):
    """The load under which the drill runs: transactions a second, and how many may be under way at once.

    A surge is more load for a while, in the place of a fault.
    """

    rate: float = Field(gt=0, le=100_000)
    max_in_flight: int = Field(default=10_000, gt=0)
    surges: tuple[Surge, ...] = ()

    def scaled(self, time_scale: float) -> DrillLoad:
        """Divide the time line of the surges; rates stay as they are."""
        return self.model_copy(update={"surges": tuple(surge.scaled(time_scale) for surge in self.surges)})


class Expectation(Settings):
    """What is expected of one alert.

    `within` is the drill's own budget from the first fault to firing, of the first alert with these labels where
    several fire; the window that follows from the rule holds in any case. An empty label is none.
    """

    alert: str = Field(min_length=1)
    labels: dict[str, str] = {}
    within: Duration = timedelta(minutes=15)
    receiver: str | None = None
    resolves: bool = True


class Drill(Settings):
    """The whole of a drill file.

    It is broken off when a query of `abort_if` has a result, or a threshold of `abort_unless` on the load's own
    figures does not hold. With `silence_others` nobody is told of alerts that are not under test.
    `lab` are the parts that it needs of a lab, and says nothing elsewhere.
    A drill that expects nothing is a control: it passes when no alert fires in the time of `observe`.
    """

    name: str = Field(alias="drill", min_length=1, pattern=r"^[a-z0-9][a-z0-9-]*$")
    summary: str = ""
    load: DrillLoad
    baseline: Duration = Field(default=timedelta(minutes=2), gt=timedelta(0))
    faults: list[AnyFault] = []
    expect: list[Expectation] = []
    observe: Duration = Field(default=timedelta(minutes=15), gt=timedelta(0))
    allow: list[str] = []
    abort_if: list[PromQL] = []
    abort_unless: Thresholds = {}
    silence_others: bool = False
    lab: Parts = Parts()

    @field_serializer("faults")
    def _as_written(self, faults: list[Fault], info: FieldSerializationInfo) -> list[dict[str, Any]]:
        # Some keys contradict others by being there, and what a file does not say stays unsaid in a recording.
        return [fault.model_dump(mode=info.mode, by_alias=True, exclude_unset=True) for fault in faults]

    @model_validator(mode="after")
    def _breaks_nothing_twice(self) -> Drill:
        if found := contradictions([one for fault in self.faults for one in repetitions(fault)]):
            raise ValueError("; ".join(found))
        return self

    @model_validator(mode="after")
    def _expects_each_alert_once(self) -> Drill:
        names = [expectation.alert for expectation in self.expect]
        for name in names:
            if names.count(name) > 1:
                msg = f"alert {name} is expected twice, expected once"
                raise ValueError(msg)
            if name in self.allow:
                msg = f"alert {name} is both expected and allowed, expected one of them"
                raise ValueError(msg)
        return self

    @property
    def observe_for(self) -> timedelta:
        """How long after the first fault an expected alert may take to fire; how long none may."""
        return max((expectation.within for expectation in self.expect), default=self.observe)

    @property
    def longest(self) -> timedelta:
        """How long the drill may take."""
        return self.baseline + 2 * self.observe_for

    def scaled(self, time_scale: float) -> Drill:
        """Divide the drill's time line and ranges; what a fault does (its latency, its jitter) stays as it is."""
        return self.model_copy(
            update={
                "baseline": self.baseline / time_scale,
                "observe": self.observe / time_scale,
                "load": self.load.scaled(time_scale),
                "faults": [fault.scaled(time_scale) for fault in self.faults],
                "abort_if": [scale_expr(expr, time_scale) for expr in self.abort_if],
                "expect": [e.model_copy(update={"within": e.within / time_scale}) for e in self.expect],
            }
        )


def read_drill(path: Path) -> Drill:
    """Read a drill file; raises ConfigError with every problem of the file."""
    return read_settings(path, Drill)
