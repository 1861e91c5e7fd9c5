"""Latency: every chunk of data through a proxy arrives later."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from chaos.toxiproxy.toxic import Toxic
from units.duration import Duration

_MILLISECOND = timedelta(milliseconds=1)


class Latency(Toxic):
    """The `latency` toxic: a delay, uniformly spread by the jitter to either side."""

    kind: Literal["latency"] = "latency"
    latency: Duration = Field(gt=timedelta(0))
    jitter: Duration = Field(default=timedelta(0), ge=timedelta(0))

    @property
    def attributes(self) -> dict[str, int]:
        """Milliseconds."""
        return {"latency": round(self.latency / _MILLISECOND), "jitter": round(self.jitter / _MILLISECOND)}
