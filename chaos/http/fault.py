"""One HTTP endpoint begins the fault, another ends it: for example the actuators of Chaos Monkey.

kind: http
begin: {url: "http://payment-engine:8080/actuator/chaosmonkey/enable"}
end:
  url: http://payment-engine:8080/actuator/chaosmonkey/disable
  headers_file: {Authorization: secrets/token}       # or headers_env: {Authorization: CHAOS_TOKEN}
  confirm: {url: "http://payment-engine:8080/actuator/chaosmonkey/status", contains: '"enabled":false'}

`end` is called after every `begin`, also after a failed one, so it must also work when it is called twice.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Literal

from pydantic import PrivateAttr

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.http.call import Call
from alertdrill.chaos.http.client import CallFailed, make_call, require_listener, shows
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.secret_source import SecretMissing
from alertdrill.units.secrecy import shown_url


class HttpInjection(Injection):
    """The two calls; they name the places of secrets, not the secrets."""

    kind: Literal["http"] = "http"
    words: str
    begin: Call
    end: Call
    # Since when its page does not show its effect, by the clock of the process that injected it.
    _hidden_since: float | None = PrivateAttr(None)

    @property
    def target(self) -> str:
        """The target, in words."""
        return self.words

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return super().longest_undo + self.end.longest

    @property
    def by_hand(self) -> str:
        """The call that ends the fault, without its secrets."""
        return f"{self.end.method} {shown_url(self.end.url)}"

    async def inject(self) -> None:
        """Make the call that begins the fault, and check its effect; raises FaultNotApplied."""
        try:
            await make_call(self.begin)
        except (CallFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error

    async def taken_back(self) -> str | None:
        """Return that the page of `begin` has not shown its effect for `within`; None if it has no page.

        One look proves nothing: a page may come from another replica than the one before, as when the call was made.
        """
        if self.begin.confirm is None:
            return None
        if await shows(self.begin) is not False:
            self._hidden_since = None
            return ""
        now, wanted = time.monotonic(), self.begin.confirm
        if self._hidden_since is None:
            self._hidden_since = now
        if now - self._hidden_since < wanted.within.total_seconds():
            return ""
        return f"{shown_url(wanted.url)} does not show {wanted.contains!r} any more"

    async def undo(self) -> None:
        """Make the call that ends the fault, and check its effect; raises FaultNotHealed."""
        try:
            await make_call(self.end)
        except (CallFailed, SecretMissing) as error:
            raise FaultNotHealed(str(error)) from error


class Http(Fault):
    """Call one endpoint to begin the fault and another to end it."""

    kind: Literal["http"] = "http"
    begin: Call
    end: Call

    @property
    def target(self) -> str:
        """The target, in words."""
        return self.begin.url.split("://", 1)[1]

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time."""
        return frozenset({endpoints.located(self.begin.url), endpoints.located(self.end.url)})

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> HttpInjection:
        """Check that both endpoints are reachable and that the secrets exist; raises FaultNotApplied."""
        del entry_id
        begin, end = self.begin.located(endpoints.located), self.end.located(endpoints.located)
        try:
            for call in (begin, end):
                await require_listener(call)
        except (CallFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error
        return HttpInjection(words=self.target, begin=begin, end=end)
