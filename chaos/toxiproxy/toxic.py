"""What all toxics share: a proxy, a direction, a share of its connections."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from chaos.errors import FaultNotApplied, FaultNotHealed
from chaos.fault import Endpoints, Fault
from chaos.injection import Injection
from chaos.toxiproxy.client import Toxiproxy, ToxiproxyError, require_proxy
from units.duration import Duration

Stream = Literal["downstream", "upstream"]

# The server counts in 64 bits and checks nothing: what overflows there, or is negative, ends or hangs it.
Delay = Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=1))]
Count = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]


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
    cut_connections: bool = False

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"proxy {self.proxy} ({self.stream})"

    async def inject(self) -> None:
        """Add the toxic, and cut the connections if asked; raises FaultNotApplied."""
        toxic = self.model_dump(include={"name", "type", "stream", "toxicity", "attributes"})
        server = Toxiproxy(self.toxiproxy_url)
        try:
            await server.add_toxic(self.proxy, toxic)
            if self.cut_connections:
                await server.add_toxic(self.proxy, self._cutter)
                await server.remove_toxic(self.proxy, self._cutter_name)
        except ToxiproxyError as error:
            raise FaultNotApplied(str(error)) from error

    async def undo(self) -> None:
        """Remove the toxic, and confirm that it is gone; raises FaultNotHealed."""
        server = Toxiproxy(self.toxiproxy_url)
        try:
            await server.remove_toxic(self.proxy, self.name)
            if self.cut_connections:
                await server.remove_toxic(self.proxy, self._cutter_name)
        except ToxiproxyError as error:
            raise FaultNotHealed(str(error)) from error

    @property
    def _cutter_name(self) -> str:
        return f"{self.name}-cut"

    @property
    def _cutter(self) -> dict[str, object]:
        # A `timeout` toxic closes every connection of its proxy when it is removed, and with no toxicity it does
        # nothing before. Closing the proxy instead would refuse new connections meanwhile, and leave a shared
        # proxy closed if we ended in between.
        return {
            "name": self._cutter_name,
            "type": "timeout",
            "stream": "downstream",
            "toxicity": 0.0,
            "attributes": {"timeout": 0},
        }


class Toxic(Fault):
    """A fault that is one toxic: its `kind` is the toxic's type.

    `toxicity` is the share of connections that it strikes, drawn for each one; a pool of few may escape it whole.
    `cut_connections` ends those that are open when it begins, so that pools open new ones under it.
    """

    proxy: str = Field(min_length=1, pattern=r"^[^/]+$")
    stream: Stream = "downstream"
    toxicity: float = Field(default=1.0, gt=0, le=1)
    cut_connections: bool = False

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"proxy {self.proxy} ({self.stream})"

    def contradicts(self, other: Fault) -> str:  # noqa: ARG002 - toxics of one proxy add up, whatever they are
        """Say nothing: toxics of one proxy act one after another."""
        return ""

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
            cut_connections=self.cut_connections,
        )


def milliseconds(duration: timedelta) -> int:
    """Spell a duration as the API does."""
    return round(duration / timedelta(milliseconds=1))
