"""Latency: every chunk of data through a proxy arrives later."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.toxiproxy.toxic import Delay, ToxicFault, milliseconds
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings


class Ramp(Settings):
    """Growth in equal steps: the first at once, the last one step before the end of `over`."""

    steps: int = Field(ge=2, le=100)
    over: Duration = Field(gt=timedelta(0))


class Latency(ToxicFault):
    """The `latency` toxic: a delay, plus or minus a random jitter; with a `ramp` it grows to that value."""

    kind: Literal["latency"] = "latency"
    latency: Delay = Field(gt=timedelta(0))
    jitter: Delay = timedelta(0)
    ramp: Ramp | None = None

    def steps(self) -> list[Fault]:
        """Split a growing latency into several, each a share of it."""
        ramp = self.ramp
        if ramp is None:
            return [self]
        share = {"latency": self.latency / ramp.steps, "jitter": self.jitter / ramp.steps, "ramp": None}
        later = [number * ramp.over / ramp.steps for number in range(ramp.steps)]
        return [self.model_copy(update=share | {"at": self.at + by, "lasts": self._left(by)}) for by in later]

    def _left(self, by: timedelta) -> timedelta | Literal["until-fired"]:
        return self.lasts - by if isinstance(self.lasts, timedelta) else self.lasts

    def scaled(self, time_scale: float) -> Self:
        """Divide the times of its beginning, end and growth; the delay stays the same."""
        ramp = self.ramp and self.ramp.model_copy(update={"over": self.ramp.over / time_scale})
        return super().scaled(time_scale).model_copy(update={"ramp": ramp})

    @model_validator(mode="after")
    def _grows_while_it_lasts(self) -> Self:
        if self.ramp is not None and isinstance(self.lasts, timedelta) and self.ramp.over > self.lasts:
            msg = "ends before it has grown: expected `ramp.over` of at most `lasts`"
            raise ValueError(msg)
        return self

    @property
    def attributes(self) -> dict[str, int]:
        """Milliseconds."""
        return {"latency": milliseconds(self.latency), "jitter": milliseconds(self.jitter)}
