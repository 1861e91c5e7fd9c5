"""Down: nobody can connect through a proxy, and all its connections end."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.toxiproxy.client import Toxiproxy, ToxiproxyError, require_proxy


class DownInjection(Injection):
    """A proxy that was enabled is disabled."""

    kind: Literal["down"] = "down"
    toxiproxy_url: str
    proxy: str

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"proxy {self.proxy}"

    async def inject(self) -> None:
        """Disable the proxy; raises FaultNotApplied."""
        try:
            await Toxiproxy(self.toxiproxy_url).enable(self.proxy, enabled=False)
        except ToxiproxyError as error:
            raise FaultNotApplied(str(error)) from error

    async def undo(self) -> None:
        """Enable the proxy, and confirm that; one that is gone is no error. Raises FaultNotHealed."""
        server = Toxiproxy(self.toxiproxy_url)
        try:
            if self.proxy in await server.proxies():
                await server.enable(self.proxy, enabled=True)
        except ToxiproxyError as error:
            raise FaultNotHealed(str(error)) from error


class Down(Fault):
    """A proxy refuses connections, as the server behind it would if it were down."""

    kind: Literal["down"] = "down"
    proxy: str = Field(min_length=1, pattern=r"^[^/]+$")

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"proxy {self.proxy}"

    def contradicts(self, other: Fault) -> str:
        """Say why another fault of the same proxy cannot be in force at the same time."""
        same = getattr(other, "proxy", None) == self.proxy
        return f"nothing passes through the proxy {self.proxy} while it is down" if same else ""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> DownInjection:  # noqa: ARG002 - it makes nothing
        """Make sure that the proxy exists and is enabled; raises FaultNotApplied."""
        if not await require_proxy(Toxiproxy(endpoints.toxiproxy_url), self.proxy):
            raise FaultNotApplied(
                f"proxy {self.proxy!r} is disabled already, so that nothing would change, and to undo it would"
                " change what somebody else did; expected an enabled proxy"
            )
        return DownInjection(toxiproxy_url=endpoints.toxiproxy_url, proxy=self.proxy)
