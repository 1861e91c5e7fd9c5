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

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.http.client import CallFailed, make_call, require_listener
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.secret_source import SecretMissing, beside_its_file
from alertdrill.units.duration import Duration
from alertdrill.units.headers import HeaderName, require_unframed
from alertdrill.units.settings import Settings


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"{url!r} is no URL, expected http://… or https://…"
        raise ValueError(msg)
    if parts.username is not None or parts.password is not None:
        # The text is not repeated: it holds a secret.
        msg = "holds a user name or a password, expected them in headers_file or headers_env"
        raise ValueError(msg)
    try:
        _ = parts.port
    except ValueError as error:
        msg = f"{url!r} has no port of a server, expected a number up to 65535"
        raise ValueError(msg) from error
    return url


_Url = Annotated[str, AfterValidator(_http_url)]
_SecretFile = Annotated[Path, AfterValidator(beside_its_file)]


class Confirmation(Settings):
    """A page that shows, within some time, that the call has had its effect."""

    url: _Url
    contains: str = Field(min_length=1)
    within: Duration = Field(default=timedelta(seconds=5), gt=timedelta(0))


class Call(Settings):
    """One request, the statuses that are as expected (any 2xx unless named), and how its effect shows.

    A body that is no text is sent as JSON. Header values that are secret stand in a file or a variable.
    """

    url: _Url
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[HeaderName, str] = {}
    headers_file: dict[HeaderName, _SecretFile] = {}
    headers_env: dict[HeaderName, str] = {}
    body: str | dict[str, Any] | list[Any] | None = None
    status: tuple[int, ...] = ()
    timeout: Duration = Field(default=timedelta(seconds=5), gt=timedelta(0))
    confirm: Confirmation | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _as_many(cls, status: object) -> object:
        return (status,) if isinstance(status, int) else status

    @field_validator("headers", "headers_file", "headers_env")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, Any]) -> dict[str, Any]:
        require_unframed(headers)
        return headers

    @property
    def longest(self) -> timedelta:
        """How long it may take, with a last look at the page that begins just in time."""
        return self.timeout + (self.confirm.within + self.timeout if self.confirm else timedelta(0))

    def located(self, locate: Callable[[str], str]) -> Call:
        """Point its URLs at where their names are."""
        confirm = self.confirm and self.confirm.model_copy(update={"url": locate(self.confirm.url)})
        return self.model_copy(update={"url": locate(self.url), "confirm": confirm})


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
