"""Down: a proxy accepts no connections, and all its open ones end."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from pydantic import Field

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.toxiproxy.client import Toxiproxy, ToxiproxyError, require_proxy


class DownInjection(Injection):
    """An enabled proxy is disabled."""

    kind: Literal["down"] = "down"
    toxiproxy_url: str
    proxy: str

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"proxy {self.proxy}"

    @property
    def by_hand(self) -> str:
        """The request that enables the proxy."""
        url = f"{self.toxiproxy_url.rstrip('/')}/proxies/{quote(self.proxy)}"
        return f"curl -X POST -d '{{\"enabled\": true}}' {url}"

    async def inject(self) -> None:
        """Disable the proxy; raises FaultNotApplied."""
        try:
            await Toxiproxy(self.toxiproxy_url).enable(self.proxy, enabled=False)
        except ToxiproxyError as error:
            raise FaultNotApplied(str(error)) from error

    async def taken_back(self) -> str:
        """Return why the proxy is not disabled; empty while it is."""
        try:
            is_enabled = (await Toxiproxy(self.toxiproxy_url).proxies()).get(self.proxy)
        except ToxiproxyError:
            return ""
        if is_enabled is None:
            return f"Toxiproxy has no proxy {self.proxy} any more"
        return f"the proxy {self.proxy} was enabled, or Toxiproxy was restarted" if is_enabled else ""

    async def undo(self) -> None:
        """Enable the proxy if it is disabled, and confirm that; a proxy that is gone is not an error.

        Raises FaultNotHealed.
        """
        server = Toxiproxy(self.toxiproxy_url)
        try:
            is_enabled = (await server.proxies()).get(self.proxy)
            if is_enabled is False:
                self._was_tried = True
                await server.enable(self.proxy, enabled=True)
            elif not self._was_tried:
                gone = f"somebody removed the proxy {self.proxy}, so there is nothing to undo"
                self._outcome = gone if is_enabled is None else "the proxy was enabled already"
        except ToxiproxyError as error:
            raise FaultNotHealed(str(error)) from error


class Down(Fault):
    """A proxy refuses connections, as the server behind it does when it is down."""

    kind: Literal["down"] = "down"
    proxy: str = Field(min_length=1, pattern=r"^[^/]+$")

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"proxy {self.proxy}"

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time: Toxiproxy, and not what is behind it."""
        return frozenset({endpoints.toxiproxy_url})

    def contradicts(self, other: Fault) -> str:
        """Return why another fault of the same proxy cannot be in force at the same time."""
        same = getattr(other, "proxy", None) == self.proxy
        return f"nothing passes through the proxy {self.proxy} while it is down" if same else ""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> DownInjection:  # noqa: ARG002 - it creates nothing
        """Check that the proxy exists and is enabled; raises FaultNotApplied."""
        if not await require_proxy(Toxiproxy(endpoints.toxiproxy_url), self.proxy):
            raise FaultNotApplied(
                f"proxy {self.proxy!r} is disabled already: the fault would change nothing, and its undo would"
                " enable a proxy that it did not disable; expected an enabled proxy"
            )
        return DownInjection(toxiproxy_url=endpoints.toxiproxy_url, proxy=self.proxy)
