"""The HTTP probe's settings: one request or a short sequence, its data, and the checks on each answer.

    kind: http
    url: http://shop:8080/orders
    method: POST
    json: {customer: "{{ customer }}"}
    data: {customer: {kind: choice, of: [a, b]}}
    checks: [{status: 201}]
    carry: {id: $.orderId}              # for the requests in `then`
    then:
      - {url: "http://shop:8080/orders/{{ id }}", checks: [{json: $.state, equals: open}]}

`client: lean` speaks HTTP/1.1 alone, at a quarter of the CPU that aiohttp's client takes. `client: aiohttp`
knows the rest of HTTP: proxies of the environment, cookies, redirects, compressed bodies. It differs where an
answer is odd: it sends an idempotent request a second time when the connection breaks before an answer, does not
always see what a server sends beyond its one answer, takes a reset for the end of an answer without a length, and
leaves a switch of protocols to the checks, as the status 101.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from alertdrill.probes.checks.checks import Check, compile_carry, compile_checks
from alertdrill.probes.checks.kinds import StatusCheck
from alertdrill.probes.data.data import AnyData, Name
from alertdrill.probes.data.template import compile_header, compile_json, compile_text, compile_url
from alertdrill.probes.outcome import Counted
from alertdrill.probes.probe import Probe
from alertdrill.units.duration import Duration
from alertdrill.units.headers import HeaderName, require_unframed
from alertdrill.units.settings import Secret, Settings
from alertdrill.units.tls import Tls

KEY_NAME = "idempotency_key"


class HttpRequest(Settings):
    """One request, the checks on its answer, and what is carried from it to later requests.

    Without checks a status of 2xx is expected. `name`, the path if none, tells the requests of a sequence apart in what
    is counted.
    """

    name: str = ""
    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    headers: dict[HeaderName, str] = {}
    bearer_token: Secret | None = None
    json_body: Any = Field(default=None, alias="json")
    body: str | None = None
    checks: tuple[Check, ...] = Field(default=(StatusCheck(status=("2xx",)),), min_length=1)
    carry: dict[Name, str] = {}

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")) or not urlsplit(url).hostname:
            msg = f"{url!r} is no URL, expected http://… or https://…"
            raise ValueError(msg)
        try:
            port = urlsplit(url).port
        except ValueError:
            port = 0
        if port == 0:
            msg = f"{url!r} has no port that can be, expected one from 1 to 65535"
            raise ValueError(msg)
        return url

    @field_validator("headers")
    @classmethod
    def _leaves_framing_alone(cls, headers: dict[str, str]) -> dict[str, str]:
        require_unframed(headers)
        return headers

    @model_validator(mode="after")
    def _has_one_body(self) -> HttpRequest:
        if self.body is not None and self.json_body is not None:
            msg = "has both json and body, expected one of them"
            raise ValueError(msg)
        compile_checks(self.checks)
        compile_carry(self.carry)
        return self

    @property
    def title(self) -> str:
        """The name, or else the path."""
        return self.name or urlsplit(self.url).path or "/"

    @property
    def check_names(self) -> tuple[str, ...]:
        """The names of the checks on the answer."""
        return tuple(check.title for check in self.checks)

    def require_known(self, known: set[str]) -> None:
        """Raise ValueError for a template with a name that is not known."""
        compile_url(self.url, known)
        for text in self.headers.values():
            compile_header(text, known)
        compile_text(self.body or "", known)
        compile_json(self.json_body, known)


class Http(HttpRequest, Probe):
    """An HTTP transaction: the request, and those that follow it in `then`.

    Each transaction has an `Idempotency-Key` of its own if asked, a UUID, which templates know as
    `{{ idempotency_key }}`. `timeout` is that of each request, from its due send to the end of its answer.
    Idle connections are closed after `idle_timeout`, before servers close theirs. There are as many as transactions
    under way, or at most `max_connections` for each origin and worker: what waits for one is in flight, and its
    latency counts. The same `seed` gives the same data; without one every run has its own.
    """

    kind: Literal["http"] = "http"
    client: Literal["lean", "aiohttp"] = "lean"
    idempotency_key: bool = False
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    connect_timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0))
    idle_timeout: Duration = Field(default=timedelta(seconds=4), gt=timedelta(0))
    resolve_interval: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    max_connections: int | None = Field(default=None, gt=0)
    tls: Tls = Tls()
    data: dict[Name, AnyData] = {}
    seed: int | None = None
    then: tuple[HttpRequest, ...] = ()

    @model_validator(mode="after")
    def _knows_every_name(self) -> Http:
        known = set(self.data) | ({KEY_NAME} if self.idempotency_key else set())
        for index, request in enumerate(self.requests):
            try:
                request.require_known(known)
            except ValueError as error:
                msg = f"then[{index - 1}]: {error}" if index else str(error)
                raise ValueError(msg) from error
            known |= set(request.carry)
        return self

    @model_validator(mode="after")
    def _tells_its_requests_apart(self) -> Http:
        for title, count in Counter(request.title for request in self.requests).items():
            if count > 1:
                msg = f"{count} requests are named {title!r}, expected a `name` of its own for each"
                raise ValueError(msg)
        return self

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """Every request of a transaction, in order."""
        return (self, *self.then)

    @property
    def counted(self) -> tuple[Counted, ...]:
        """The names under which the requests are counted, with their checks."""
        return tuple(Counted(request.title, request.check_names) for request in self.requests)
