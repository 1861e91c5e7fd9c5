"""Timeout: data vanishes, and the connection ends after a while or never."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from alertdrill.chaos.toxiproxy.toxic import Delay, ToxicFault, milliseconds


class Timeout(ToxicFault):
    """The `timeout` toxic: nothing passes; each connection ends after `timeout` without data, or never if that is 0.

    Its undo closes every connection of the proxy, also those that its toxicity spared.
    """

    kind: Literal["timeout"] = "timeout"
    timeout: Delay = timedelta(0)

    @property
    def attributes(self) -> dict[str, int]:
        """Milliseconds."""
        return {"timeout": milliseconds(self.timeout)}
