"""Reset peer: connections end with a TCP reset."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from alertdrill.chaos.toxiproxy.toxic import Delay, ToxicFault, milliseconds


class ResetPeer(ToxicFault):
    """The `reset_peer` toxic: a connection ends `timeout` after the first data that passes through it.

    Only connections that were opened during the fault end with a reset. A connection opened before ends with a plain
    close, and an unused one stays open. `cut_connections: true` makes clients open new ones.
    """

    kind: Literal["reset_peer"] = "reset_peer"
    timeout: Delay = timedelta(0)

    @property
    def attributes(self) -> dict[str, int]:
        """Milliseconds."""
        return {"timeout": milliseconds(self.timeout)}
