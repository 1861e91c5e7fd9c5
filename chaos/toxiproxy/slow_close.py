"""Slow close: a connection's end arrives later."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from alertdrill.chaos.toxiproxy.toxic import Delay, ToxicFault, milliseconds


class SlowClose(ToxicFault):
    """The `slow_close` toxic: when one side closes, the other sees it `delay` later, in one direction."""

    kind: Literal["slow_close"] = "slow_close"
    delay: Delay = Field(gt=timedelta(0))

    @property
    def attributes(self) -> dict[str, int]:
        """Milliseconds."""
        return {"delay": milliseconds(self.delay)}
