"""A drill file: load, baseline, faults on a time line, and what is expected of each alert."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, FieldSerializationInfo, ValidationInfo, field_serializer, model_validator

from alertdrill.agent.config.probe import read_probe
from alertdrill.agent.config.yaml_source import from_its_file, read_settings
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.registry import FAULTS, fault_class
from alertdrill.chaos.timeline import contradictions, last_end, repetitions
from alertdrill.lab.parts import LabParts
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.figures.thresholds import Thresholds
from alertdrill.units.duration import Duration
from alertdrill.units.promql import PromQL
from alertdrill.units.secrecy import masked
from alertdrill.units.settings import Settings
from alertdrill.units.time_scale import scale_expr

SURGE = "surge"
"""The kind of a surge, in the place where a fault has its kind."""

LONGEST_NAME = 200
"""The longest name of a drill: a recording's name has 35 characters more, a file that is being written 14, of 255."""

if TYPE_CHECKING:
    # A type checker cannot make a union of a table's classes.
    _AnyFault: TypeAlias = Fault
else:
    _AnyFault = Annotated[reduce(or_, map(fault_class, FAULTS)), Field(discriminator="kind")]


def _read_probe(probe: object, info: ValidationInfo) -> object:
    return from_its_file(probe, info, read_probe)


class Surge(Settings):
    """Additional transactions a second, from `at` after the baseline on: those of the agent's probe, or of `probe`."""

    rate: float = Field(gt=0, le=100_000)
    at: Duration = Field(default=timedelta(0), ge=timedelta(0))
    lasts: Duration | Literal["until-fired"] = "until-fired"
    max_in_flight: int = Field(default=10_000, gt=0)
    probe: Annotated[AnyProbe | None, BeforeValidator(_read_probe)] = None

    @field_serializer("probe", when_used="json")
    def _dump_without_secrets(self, probe: AnyProbe | None) -> Any:  # noqa: ANN401 - JSON
        return None if probe is None else masked(probe.model_dump(mode="json", by_alias=True, exclude_unset=True))

    @property
    def target(self) -> str:
        """The effect of the surge, in words."""
        names = f" of {', '.join(one.name for one in self.probe.counted)}" if self.probe is not None else ""
        return f"{self.rate:g} transactions a second more{names}"

    def scaled(self, time_scale: float) -> Self:
        """Divide its start and its length; its rate stays as it is."""
        lasts = self.lasts / time_scale if isinstance(self.lasts, timedelta) else self.lasts
        return self.model_copy(update={"at": self.at / time_scale, "lasts": lasts})


class DrillLoad(Settings):
    """The load of a drill: transactions a second, and how many may be in flight at once.

    A surge adds load for some time. The time line and the reports show it like a fault.
    """

    rate: float = Field(gt=0, le=100_000)
    max_in_flight: int = Field(default=10_000, gt=0)
    surges: tuple[Surge, ...] = ()

    def scaled(self, time_scale: float) -> DrillLoad:
        """Divide the time line of the surges; rates stay as they are."""
        return self.model_copy(update={"surges": tuple(surge.scaled(time_scale) for surge in self.surges)})


class Expectation(Settings):
    """The expectation of one alert.

    `within` is the drill's own limit from the first fault to firing; where several alerts with these labels fire, it is
    for the first. The window of the rule holds in any case. An empty label means that the alert has no such label.
    """

    alert: str = Field(min_length=1)
    labels: dict[str, str] = {}
    within: Duration = timedelta(minutes=15)
    receiver: str | None = None
    resolves: bool = True


class Drill(Settings):
    """The whole of a drill file.

    The drill is aborted when a query of `abort_if` has a result, or when a threshold of `abort_unless` on the figures
    of the load does not hold. `silence_others` silences the alerts that are not under test.
    `shows: nothing` says that the load does not feel the fault, so that a silent alert is missed all the same.
    `lab` names the parts that the drill needs of a lab, and has no effect elsewhere.
    A drill without expectations is a control: it passes when no alert fires within `observe`.
    """

    name: str = Field(alias="drill", min_length=1, max_length=LONGEST_NAME, pattern=r"^[a-z0-9][a-z0-9-]*$")
    summary: str = ""
    load: DrillLoad
    baseline: Duration = Field(default=timedelta(minutes=2), gt=timedelta(0))
    faults: list[_AnyFault] = []
    expect: list[Expectation] = []
    observe: Duration = Field(default=timedelta(minutes=15), gt=timedelta(0))
    allow: list[str] = []
    abort_if: list[PromQL] = []
    abort_unless: Thresholds = {}
    silence_others: bool = False
    shows: Literal["traffic", "nothing"] = "traffic"
    lab: LabParts = LabParts()

    @field_serializer("faults")
    def _dump_as_written(self, faults: list[Fault], info: FieldSerializationInfo) -> list[dict[str, Any]]:
        # Dump only the keys that the file set: some exclude each other, so written-out defaults would not validate again.
        return [fault.model_dump(mode=info.mode, by_alias=True, exclude_unset=True) for fault in faults]

    @model_validator(mode="after")
    def _breaks_each_thing_once(self) -> Drill:
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
        """The time from the first fault in which expected alerts must fire, or in which no alert may fire."""
        return max((expectation.within for expectation in self.expect), default=self.observe)

    @property
    def broken_for(self) -> timedelta:
        """The longest time of the faults' phase: what has a duration lasts that long, also when the alerts fired."""
        surges = (one.at + one.lasts for one in self.load.surges if isinstance(one.lasts, timedelta))
        return max(self.observe_for, last_end(self.faults), *surges)

    @property
    def longest(self) -> timedelta:
        """The longest time that the drill may take."""
        return self.baseline + self.broken_for + self.observe_for

    def scaled(self, time_scale: float) -> Drill:
        """Divide the drill's time line and ranges; the effect of a fault (its latency, its jitter) stays as it is."""
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
