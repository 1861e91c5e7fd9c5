"""What all toxics share: a proxy, a direction, a share of its connections."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

from pydantic import Field

from chaos.errors import FaultNotApplied, FaultNotHealed
from chaos.fault import Endpoints, Fault
from chaos.injection import Injection
from chaos.toxiproxy.client import Toxiproxy, ToxiproxyError, require_proxy

Stream = Literal["downstream", "upstream"]


class ToxicInjection(Injection):
    """One toxic under its own name on a proxy of a Toxiproxy server; `attributes` are in the API's units."""

    kind: Literal["toxic"] = "toxic"
    toxiproxy_url: str
    proxy: str
    name: str
    type: str
    stream: Stream
    toxicity: float
    attributes: dict[str, int]

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"proxy {self.proxy} ({self.stream})"

    async def inject(self) -> None:
        """Add the toxic; raises FaultNotApplied."""
        toxic = self.model_dump(include={"name", "type", "stream", "toxicity", "attributes"})
        try:
            await Toxiproxy(self.toxiproxy_url).add_toxic(self.proxy, toxic)
        except ToxiproxyError as error:
            raise FaultNotApplied(str(error)) from error

    async def undo(self) -> None:
        """Remove the toxic, and confirm that it is gone; raises FaultNotHealed."""
        try:
            await Toxiproxy(self.toxiproxy_url).remove_toxic(self.proxy, self.name)
        except ToxiproxyError as error:
            raise FaultNotHealed(str(error)) from error


class Toxic(Fault):
    """A fault that is one toxic: its `kind` is the toxic's type."""

    proxy: str = Field(min_length=1)
    stream: Stream = "downstream"
    toxicity: float = Field(default=1.0, gt=0, le=1)

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"proxy {self.proxy} ({self.stream})"

    @property
    @abstractmethod
    def attributes(self) -> dict[str, int]:
        """The toxic's attributes, in the API's units."""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> ToxicInjection:
        """Make sure that the proxy exists; raises FaultNotApplied naming those that do."""
        await require_proxy(Toxiproxy(endpoints.toxiproxy_url), self.proxy)
        return ToxicInjection(
            toxiproxy_url=endpoints.toxiproxy_url,
            proxy=self.proxy,
            name=entry_id,
            type=self.kind,
            stream=self.stream,
            toxicity=self.toxicity,
            attributes=self.attributes,
        )
