"""Latency: every chunk of data through a proxy arrives later."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from chaos.errors import FaultNotApplied
from chaos.fault import Endpoints, Fault
from chaos.ledger import Undo
from chaos.toxiproxy.client import Toxiproxy, ToxiproxyError, require_proxy
from units.duration import Duration


class Latency(Fault):
    """The `latency` toxic: a delay, uniformly spread by the jitter to either side."""

    kind: Literal["latency"] = "latency"
    proxy: str = Field(min_length=1)
    latency: Duration = Field(gt=timedelta(0))
    jitter: Duration = Field(default=timedelta(0), ge=timedelta(0))
    stream: Literal["downstream", "upstream"] = "downstream"
    toxicity: float = Field(default=1.0, gt=0, le=1)

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"proxy {self.proxy} ({self.stream})"

    async def require_target(self, endpoints: Endpoints) -> None:
        """Make sure that the proxy exists; raises FaultNotApplied naming those that do."""
        await require_proxy(Toxiproxy(endpoints.toxiproxy_url), self.proxy)

    def undo(self, endpoints: Endpoints, entry_id: str) -> Undo:
        """Name the toxic that is going to be added."""
        return Undo(toxiproxy_url=endpoints.toxiproxy_url, proxy=self.proxy, toxic=entry_id)

    async def inject(self, undo: Undo) -> None:
        """Add the toxic under its own name; raises FaultNotApplied."""
        toxic = {
            "name": undo.toxic,
            "type": "latency",
            "stream": self.stream,
            "toxicity": self.toxicity,
            "attributes": {
                "latency": round(self.latency / timedelta(milliseconds=1)),
                "jitter": round(self.jitter / timedelta(milliseconds=1)),
            },
        }
        try:
            await Toxiproxy(undo.toxiproxy_url).add_toxic(undo.proxy, toxic)
        except ToxiproxyError as error:
            raise FaultNotApplied(str(error)) from error
