"""Reset peer: connections end with a TCP reset."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from chaos.toxiproxy.toxic import Toxic
from units.duration import Duration


class ResetPeer(Toxic):
    """The `reset_peer` toxic: a connection ends `timeout` after the first data that passes through it.

    Only connections that were opened meanwhile end with a reset; one opened before ends with a plain close.
    """

    kind: Literal["reset_peer"] = "reset_peer"
    timeout: Duration = Field(default=timedelta(0), ge=timedelta(0))

    @property
    def attributes(self) -> dict[str, int]:
        """Milliseconds."""
        return {"timeout": round(self.timeout / timedelta(milliseconds=1))}
