"""Limit data: a connection ends after a number of bytes."""

from __future__ import annotations

from typing import Literal

from alertdrill.chaos.toxiproxy.toxic import Count, ToxicFault


class LimitData(ToxicFault):
    """The `limit_data` toxic: exactly `bytes` bytes pass through each connection, then it is closed."""

    kind: Literal["limit_data"] = "limit_data"
    bytes: Count

    @property
    def attributes(self) -> dict[str, int]:
        """Bytes."""
        return {"bytes": self.bytes}
