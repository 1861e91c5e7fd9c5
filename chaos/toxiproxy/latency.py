"""Latency: every chunk of data through a proxy arrives later."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from chaos.toxiproxy.toxic import Delay, Toxic, milliseconds


class Latency(Toxic):
    """The `latency` toxic: a delay, uniformly spread by the jitter to either side."""

    kind: Literal["latency"] = "latency"
    latency: Delay = Field(gt=timedelta(0))
    jitter: Delay = timedelta(0)

    @property
    def attributes(self) -> dict[str, int]:
        """Milliseconds."""
        return {"latency": milliseconds(self.latency), "jitter": milliseconds(self.jitter)}
