"""The shared part of all toxics: a proxy, a direction, and a share of the connections."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.machine.sockets import Peer, open_connections
from alertdrill.chaos.toxiproxy.client import Toxiproxy, ToxiproxyError, require_proxy, toxic_url
from alertdrill.units.duration import Duration

Stream = Literal["downstream", "upstream"]

# The server counts in 64 bits and checks nothing: an overflow or a negative number crashes or hangs it.
Delay = Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=1))]
Count = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]

# A connection under one of these toxics carries no more data.
_NOTHING_PASSES = {"reset_peer", "timeout"}
_ON_ITS_WAY_SECONDS = 0.2


class ToxicInjection(Injection):
    """One toxic with its own name on a proxy of a Toxiproxy server; `attributes` are in the API's units."""

    kind: Literal["toxic"] = "toxic"
    toxiproxy_url: str
    proxy: str
    name: str
    type: str
    stream: Stream
    toxicity: float
    attributes: dict[str, int]
    cut_connections: bool = False
    # Known only to the process that injected it, and not in the ledger.
    _injected_at: float | None = PrivateAttr(None)
    _port: int | None = PrivateAttr(None)
    _connected_before: frozenset[Peer] = PrivateAttr(frozenset())

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"proxy {self.proxy} ({self.stream})"

    @property
    def by_hand(self) -> str:
        """The request that removes the toxic."""
        return f"curl -X DELETE {toxic_url(self.toxiproxy_url, self.proxy, self.name)}"

    async def inject(self) -> None:
        """Add the toxic, and cut the connections if requested; raises FaultNotApplied."""
        server = Toxiproxy(self.toxiproxy_url)
        try:
            # An upstream toxic lets the server's own data through, so only downstream ones are checked for escapes.
            if self.type in _NOTHING_PASSES and self.stream == "downstream":
                self._port = await server.listen_port(self.proxy)
            self._connected_before = frozenset(await self._open_connections())
            await server.add_toxic(self.proxy, self._toxic)
            if self.cut_connections:
                await server.add_toxic(self.proxy, self._cutter)
                await server.remove_toxic(self.proxy, self._cutter_name)
        except ToxiproxyError as error:
            raise FaultNotApplied(str(error)) from error
        self._injected_at = time.monotonic()

    async def taken_back(self) -> str:
        """Return why the toxic is not on the server as it was added; empty while it is."""
        return await Toxiproxy(self.toxiproxy_url).lost_toxic(self.proxy, self._toxic)

    async def undo(self) -> None:
        """Remove the toxic, also one that somebody changed, and confirm that it is gone; raises FaultNotHealed."""
        if self._injected_at is not None:
            self._outcome = await self._escaped(time.monotonic() - self._injected_at)
            # Only at the first try: later the toxic may be gone already, and all connections carry traffic.
            self._injected_at = None
        server = Toxiproxy(self.toxiproxy_url)
        try:
            if not self._was_tried:
                self._outcome = "; ".join(filter(None, [self._outcome, await self._found(server)]))
                self._was_tried = True
            await server.remove_toxic(self.proxy, self.name)
            if self.cut_connections:
                await server.remove_toxic(self.proxy, self._cutter_name)
        except ToxiproxyError as error:
            raise FaultNotHealed(str(error)) from error

    async def _found(self, server: Toxiproxy) -> str:
        """Return what somebody else did to the toxic or its proxy; empty if it is as it was added. Raises ToxiproxyError."""
        changed = await server.changed_values(self.proxy, self._toxic)
        if changed is None:
            if self.proxy not in await server.proxies():
                return f"somebody removed the proxy {self.proxy}, so there is nothing to undo"
            return "there was no such toxic: it was removed already, Toxiproxy was restarted, or it was never added"
        return f"somebody changed its {', '.join(changed)}; it was removed all the same" if changed else ""

    async def _open_connections(self) -> dict[Peer, float | None]:
        return await open_connections(self._port) if self._port is not None else {}

    async def _escaped(self, in_force_seconds: float) -> str:
        """Report the connections that carried traffic under a toxic that lets none pass; empty if there were none.

        The server draws for the toxicity once for each connection, so that spared connections of a pool stay spared.
        """
        escaped = [
            peer
            for peer, seconds in (await self._open_connections()).items()
            if seconds is not None and seconds < in_force_seconds - _ON_ITS_WAY_SECONDS
        ]
        if not escaped:
            return ""
        before = sum(peer in self._connected_before for peer in escaped)
        return (
            f"{len(escaped)} open connections escaped it and carried traffic, {before} of them open before it "
            f"(toxicity {self.toxicity:g} is drawn once for each connection)"
        )

    @property
    def _toxic(self) -> dict[str, Any]:
        return self.model_dump(include={"name", "type", "stream", "toxicity", "attributes"})

    @property
    def _cutter_name(self) -> str:
        return f"{self.name}-cut"

    @property
    def _cutter(self) -> dict[str, object]:
        # A `timeout` toxic closes every connection of its proxy when it is removed, and with toxicity 0 it does
        # nothing before. Disabling the proxy instead would refuse new connections meanwhile, and leave a shared
        # proxy disabled if this process ended in between.
        return {
            "name": self._cutter_name,
            "type": "timeout",
            "stream": "downstream",
            "toxicity": 0.0,
            "attributes": {"timeout": 0},
        }


class ToxicFault(Fault):
    """A fault that is one toxic: its `kind` is the toxic's type.

    `toxicity` is the share of connections under the toxic, drawn for each one; a small pool may escape completely.
    `cut_connections` ends the connections that are open when the fault begins, so that pools open new ones.
    """

    proxy: str = Field(min_length=1, pattern=r"^[^/]+$")
    stream: Stream = "downstream"
    toxicity: float = Field(default=1.0, gt=0, le=1)
    cut_connections: bool = False

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"proxy {self.proxy} ({self.stream})"

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time: Toxiproxy, and not what is behind it."""
        return frozenset({endpoints.toxiproxy_url})

    def contradicts(self, other: Fault) -> str:  # noqa: ARG002 - toxics of one proxy add up
        """Return an empty text: toxics of one proxy act one after another."""
        return ""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, int]:
        """The toxic's attributes, in the API's units."""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> ToxicInjection:
        """Check that the proxy exists; raises FaultNotApplied with the names of the existing ones."""
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
    """Convert a duration to the unit of the API."""
    return round(duration / timedelta(milliseconds=1))
