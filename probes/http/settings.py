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

`client: lean` knows only HTTP/1.1 and takes a quarter of the CPU of aiohttp's client. `client: aiohttp` knows the
rest of HTTP: proxies from the environment, redirects (at most `redirects`, and each request counts), cookies (each
transaction begins without any). Neither asks for a compressed body unless the file has the header Accept-Encoding, and
both unpack one, but the lean client only if it was packed by gzip or deflate. aiohttp's differs for unusual answers:

- When the connection breaks before an answer, it sends an idempotent request a second time.
- It does not always notice bytes that a server sends after its answer.
- For an answer without a length, it accepts a reset as its end.
- A switch of protocols is a status for the checks, 101.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from alertdrill.probes.checks.checks import Check, compile_carry, compile_checks
from alertdrill.probes.checks.kinds import StatusCheck
from alertdrill.probes.data.data import AnyData, Name, require_together
from alertdrill.probes.data.template import compile_header, compile_json, compile_text, compile_url
from alertdrill.probes.outcome import Counted
from alertdrill.probes.probe import Probe
from alertdrill.units.duration import Duration
from alertdrill.units.headers import HeaderName, require_unframed
from alertdrill.units.secrecy import shown_url
from alertdrill.units.settings import Secret, Settings
from alertdrill.units.tls import TlsSettings

KEY_NAME = "idempotency_key"
DEFAULT_REDIRECTS = 10


class HttpRequest(Settings):
    """One request, the checks on its answer, and the values that are carried from it to later requests.

    Without checks a status of 2xx is expected. The requests of a sequence are counted under `name`, or under the
    path of the URL without a name.
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
            msg = f"{shown_url(url)!r} is not a URL, expected http://… or https://…"
            raise ValueError(msg)
        try:
            port = urlsplit(url).port
        except ValueError:
            port = 0
        if port == 0:
            msg = f"{shown_url(url)!r} has a wrong port, expected one from 1 to 65535"
            raise ValueError(msg)
        return url

    @field_validator("headers")
    @classmethod
    def _do_not_frame(cls, headers: dict[str, str]) -> dict[str, str]:
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
        """The name, or the path of the URL without one."""
        return self.name or urlsplit(self.url).path or "/"

    @property
    def check_names(self) -> tuple[str, ...]:
        """The names of the checks on the answer."""
        return tuple(check.title for check in self.checks)

    def require_known(self, known: set[str]) -> None:
        """Raise ValueError for a template with an unknown name."""
        compile_url(self.url, known)
        for text in self.headers.values():
            compile_header(text, known)
        compile_text(self.body or "", known)
        compile_json(self.json_body, known)


class HttpProbe(HttpRequest, Probe):
    """An HTTP transaction: the request, and the requests that follow it in `then`.

    With `idempotency_key` each transaction has an `Idempotency-Key` of its own, a UUID, which templates know as
    `{{ idempotency_key }}`. `timeout` is the limit for each request, from its send to the end of its answer.
    Idle connections are closed after `idle_timeout`, before the server closes them. There is a connection for each
    transaction in flight, or at most `max_connections` for each origin and worker: a transaction that waits for one
    is in flight, and its latency counts. With `trace_every: 1000` one of a thousand transactions of each worker has
    the header `traceparent` with a new trace, which is sampled. `client: aiohttp` follows at most `redirects`, 10 unless set. The same `seed` gives the same data; without one every run has other data.
    """

    kind: Literal["http"] = "http"
    client: Literal["lean", "aiohttp"] = "lean"
    redirects: int | None = Field(default=None, ge=0, le=100)
    idempotency_key: bool = False
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    connect_timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0))
    idle_timeout: Duration = Field(default=timedelta(seconds=4), gt=timedelta(0))
    resolve_interval: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    max_connections: int | None = Field(default=None, gt=0)
    tls: TlsSettings = TlsSettings()
    data: dict[Name, AnyData] = {}
    seed: int | None = None
    trace_every: int | None = Field(default=None, ge=1)
    then: tuple[HttpRequest, ...] = ()

    @model_validator(mode="after")
    def _can_follow(self) -> HttpProbe:
        if self.redirects and self.client == "lean":
            msg = f"has redirects: {self.redirects}, but the lean client follows none, expected client: aiohttp as well"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _has_one_traceparent(self) -> HttpProbe:
        if self.trace_every and any(name.lower() == "traceparent" for one in self.requests for name in one.headers):
            msg = "has both trace_every and a header traceparent, expected one of them"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> HttpProbe:
        require_together(self.data)
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
    def _names_are_unique(self) -> HttpProbe:
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
