"""An HTTP endpoint begins the fault, and another ends it: for actuators in the manner of Chaos Monkey.

kind: http
begin: {url: "http://payment-engine:8080/actuator/chaosmonkey/enable"}
end:
  url: http://payment-engine:8080/actuator/chaosmonkey/disable
  headers_file: {Authorization: secrets/token}       # or headers_env: {Authorization: CHAOS_TOKEN}
  confirm: {url: "http://payment-engine:8080/actuator/chaosmonkey/status", contains: '"enabled":false'}

The end is called after every begin, also after one that failed, so it must not mind being called twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.http.call import Call
from alertdrill.chaos.http.client import CallFailed, make_call, require_listener
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.secret_source import SecretMissing


class HttpInjection(Injection):
    """The two calls; secrets are only named in them."""

    kind: Literal["http"] = "http"
    words: str
    begin: Call
    end: Call

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return self.words

    @property
    def longest_undo(self) -> timedelta:
        """How long undoing it may take before it counts as hung."""
        return super().longest_undo + self.end.longest

    async def inject(self) -> None:
        """Make the first call, and see its effect; raises FaultNotApplied."""
        try:
            await make_call(self.begin)
        except (CallFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error

    async def undo(self) -> None:
        """Make the last call, and see its effect; raises FaultNotHealed."""
        try:
            await make_call(self.end)
        except (CallFailed, SecretMissing) as error:
            raise FaultNotHealed(str(error)) from error


class Http(Fault):
    """Call one endpoint to begin and one to end."""

    kind: Literal["http"] = "http"
    begin: Call
    end: Call

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return self.begin.url.split("://", 1)[1]

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> HttpInjection:
        """Make sure that both are reachable and their secrets are there; raises FaultNotApplied."""
        del entry_id
        begin, end = self.begin.located(endpoints.located), self.end.located(endpoints.located)
        try:
            for call in (begin, end):
                await require_listener(call)
        except (CallFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error
        return HttpInjection(words=self.target, begin=begin, end=end)
