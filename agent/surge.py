"""More load for a while: what breaks a service here is not a fault but its own clients.

load:
  rate: 50
  surges:
    - {rate: 2100, at: 0s, lasts: until-fired, probe: ../probes/repeated-order.yml}
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo

from alertdrill.agent.config import probe as probe_file
from alertdrill.agent.config import yaml_source
from alertdrill.probes.registry import AnyProbe
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings

KIND = "surge"
"""Its kind beside those of faults."""


def _read_from_its_file(probe: object, info: ValidationInfo) -> object:
    return yaml_source.from_its_file(probe, info, probe_file.load_probe)


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
