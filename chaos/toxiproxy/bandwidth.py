"""Bandwidth: data passes through a proxy no faster than a rate."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from alertdrill.chaos.toxiproxy.toxic import Count, ToxicFault


class Bandwidth(ToxicFault):
    """The `bandwidth` toxic: each connection gets `rate_kilobytes` (of 1,000 bytes) a second.

    The server accepts 0 too and then passes nothing; use `timeout` for that.
    """

    kind: Literal["bandwidth"] = "bandwidth"
    rate_kilobytes: Count = Field(gt=0)

    @property
    def attributes(self) -> dict[str, int]:
        """Kilobytes a second."""
        return {"rate": self.rate_kilobytes}
