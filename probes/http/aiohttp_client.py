"""The HTTP client with proxies, cookies and redirects, which the lean client does not have."""

from __future__ import annotations

import asyncio
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError
from yarl import URL

from alertdrill.probes.checks.answer import LONGEST_BODY_BYTES, Answer
from alertdrill.probes.data.template import RefusedValue
from alertdrill.probes.http.connection import UncheckableBody
from alertdrill.probes.http.origin import explain_connecting
from alertdrill.probes.http.settings import DEFAULT_REDIRECTS, KEY_NAME, HttpProbe
from alertdrill.probes.http.step import HttpStep, compile_steps, compile_values
from alertdrill.probes.http.tracing import HEADER, sampler, traceparent
from alertdrill.probes.outcome import UNFINISHED, NamedRequest, Opening, Outcome, Reason
from alertdrill.units.text import one_line

_FAILURES = (TimeoutError, OSError, aiohttp.ClientError, RefusedValue, UnicodeError, UncheckableBody)


class _Hop(NamedTuple):
    """One request on the way to an answer; a redirect turns it into the next one."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes
    proxy: str | None


class _Timer:
    """When a request began, and how long it waited for its connection; aiohttp calls the methods below `tracing`."""

    def __init__(self) -> None:
        self.began = self.sent = time.monotonic()
        self.connecting_seconds = 0.0
        self._creating_since = 0.0

    @property
    def opening(self) -> Opening | None:
        """What came before the send; None when it was sent at once. aiohttp opens a connection in one step."""
        if self.sent == self.began:
            return None
        return Opening(self.sent - self.began, self.connecting_seconds, tls_seconds=None)

    @staticmethod
    async def queued(_session: object, context: Any, _parameters: object) -> None:  # noqa: ANN401 - aiohttp's
        context.trace_request_ctx.sent = time.monotonic()

    @staticmethod
    async def creating(_session: object, context: Any, _parameters: object) -> None:  # noqa: ANN401 - aiohttp's
        context.trace_request_ctx._creating_since = time.monotonic()  # noqa: SLF001 - its own class

    @staticmethod
    async def created(_session: object, context: Any, _parameters: object) -> None:  # noqa: ANN401 - aiohttp's
        timer, now = context.trace_request_ctx, time.monotonic()
        timer.sent, timer.connecting_seconds = now, now - timer._creating_since  # noqa: SLF001 - its own class

    @classmethod
    def tracing(cls) -> aiohttp.TraceConfig:
        config = aiohttp.TraceConfig()
        config.on_connection_queued_end.append(cls.queued)
        config.on_connection_create_start.append(cls.creating)
        config.on_connection_create_end.append(cls.created)
        return config


class AiohttpClient:
    """Makes the transactions of one `HttpProbe` over a session of aiohttp."""

    def __init__(
        self,
        probe: HttpProbe,
        steps: tuple[HttpStep, ...],
        session: aiohttp.ClientSession,
        draw: Callable[[], dict[str, object]] | None,
    ) -> None:
        self._steps = steps
        self._session = session
        self._server_name = probe.tls.server_name
        self._limit_seconds = probe.timeout.total_seconds()
        self._most_redirects = DEFAULT_REDIRECTS if probe.redirects is None else probe.redirects
        self._draw = draw
        self._next_trace = sampler(probe.trace_every)
        self._is_cut_off = False
        self._acknowledged: list[str] = []

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        values = self._draw() if self._draw is not None else {}
        trace_id = self._next_trace()
        requests: list[NamedRequest] = []
        # A transaction is one visitor: its cookies are its own.
        cookies = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
        for step in self._steps:
            hop = partial(_first_hop, step, values, trace_id)
            outcome, answer = await self._request(step, hop, cookies, requests)
            if outcome.reason is None and answer is not None and step is not self._steps[-1]:
                carried = step.carry(answer) if step.request.carry else {}
                if isinstance(carried, str):
                    outcome = Outcome("bad_answer", carried)
                else:
                    values |= carried
            if outcome.reason is not None:
                break
        if outcome.reason is None and KEY_NAME in values:
            self._acknowledged.append(str(values[KEY_NAME]))
        if trace_id and outcome.reason is not None:
            outcome = replace(outcome, trace_id=trace_id)
        return self._with_requests(outcome, tuple(requests))

    def _with_requests(self, outcome: Outcome, requests: tuple[NamedRequest, ...]) -> Outcome:
        if len(self._steps) > 1:
            return replace(outcome, requests=requests)
        if len(requests) > 1:
            return replace(outcome, hops=requests)
        return replace(outcome, opening=requests[0].opening) if requests[0].opening else outcome

    def cut_off(self) -> None:
        """Let the transactions that are cancelled from now on end with the reason `unfinished`."""
        self._is_cut_off = True

    def take_acknowledged(self) -> list[str]:
        """Return the idempotency keys of the transactions that succeeded since the last call."""
        taken, self._acknowledged = self._acknowledged, []
        return taken

    async def _request(
        self, step: HttpStep, first: Callable[[], _Hop], cookies: aiohttp.CookieJar, requests: list[NamedRequest]
    ) -> tuple[Outcome, Answer | None]:
        """Make a request and those that it is redirected to, and add each to `requests`."""
        began, before = time.monotonic(), len(requests)
        try:
            async with asyncio.timeout(self._limit_seconds):
                answer = await self._followed(step.request.title, first(), cookies, requests)
        except asyncio.CancelledError:
            if not self._is_cut_off:
                raise
            reason: Reason = "unfinished"
            detail = UNFINISHED
        except _FAILURES as error:
            reason, detail = _explain(error)
        else:
            return step.judge(answer), answer
        ended = began + sum(
            one.seconds + (one.opening.waited_seconds if one.opening else 0) for one in requests[before:]
        )
        requests.append(NamedRequest(step.request.title, max(time.monotonic() - ended, 0.0), failed=True))
        return step.without_answer(reason, one_line(detail)), None

    async def _followed(
        self, title: str, hop: _Hop, cookies: aiohttp.CookieJar, requests: list[NamedRequest]
    ) -> Answer:
        for left in range(self._most_redirects, -1, -1):
            timer = _Timer()
            answer, target = await self._exchange(hop, timer, cookies)
            if target is None or not self._most_redirects:
                requests.append(NamedRequest(title, answer.seconds, answer.status >= 400, timer.opening))
                return answer
            if not left:
                break
            requests.append(NamedRequest(title, answer.seconds, failed=False, opening=timer.opening, is_redirect=True))
            hop = target
        raise aiohttp.ClientError(f"more than {self._most_redirects} redirects")

    async def _exchange(self, hop: _Hop, timer: _Timer, cookies: aiohttp.CookieJar) -> tuple[Answer, _Hop | None]:
        """Return the answer to a request, and the request that it leads to if it is a redirect."""
        async with self._session.request(
            hop.method,
            hop.url,
            data=hop.body or None,
            headers=hop.headers,
            cookies={name: morsel.value for name, morsel in cookies.filter_cookies(hop.url).items()},
            allow_redirects=False,
            proxy=hop.proxy,
            server_hostname=self._server_name,
            trace_request_ctx=timer,
        ) as response:
            body = await _read(response)
        if response.cookies:
            cookies.update_cookies(response.cookies, hop.url)
        by_name: dict[bytes, bytes] = {}
        for name, value in response.raw_headers:
            by_name[name.lower()] = by_name[name.lower()] + b", " + value if name.lower() in by_name else value
        answer = Answer(response.status, by_name, body, time.monotonic() - timer.sent)
        return answer, _next_hop(hop, response.status, response.headers.get("Location"))


def _first_hop(step: HttpStep, values: Mapping[str, object], trace_id: str) -> _Hop:
    scheme, netloc, *_ = urlsplit(step.request.url)
    # The user and password are in a header already, and aiohttp refuses them in both places.
    origin = urlunsplit((scheme, netloc.rpartition("@")[2], "", "", ""))
    target = step.parts.path.render(values).decode()
    # The target of a redirect may be another host, so Host is left out unless the file has one.
    has_host = "Host" in step.request.headers
    headers = {n: value.render(values).decode() for n, value in step.parts.headers if n != "Host" or has_host}
    if trace_id:
        headers[HEADER] = traceparent(trace_id)
    url = URL(origin + target, encoded=True)
    return _Hop(step.request.method, url, headers, step.parts.body.render(values), _proxy_of(step.request.url))


_REDIRECTS = {301, 302, 303, 307, 308}
_KEEP_THE_METHOD = {307, 308}
_OF_THE_BODY = {"content-type", "content-length", "content-encoding"}
_OF_THE_ORIGIN = {"authorization", "cookie", "host"}


def _next_hop(hop: _Hop, status: int, location: str | None) -> _Hop | None:
    """Return the request that a redirect leads to (RFC 9110, section 15.4), as k6 and browsers make it; None without one.

    Raises aiohttp.ClientError for a target that is no URL of HTTP.
    """
    if status not in _REDIRECTS or location is None:
        return None
    try:
        url = hop.url.join(URL(location))
    except ValueError as error:
        raise aiohttp.InvalidURL(location) from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise aiohttp.InvalidURL(location)
    method, body, dropped = hop.method, hop.body, set[str]()
    if status not in _KEEP_THE_METHOD and method != "HEAD":
        method, body, dropped = "GET", b"", dropped | _OF_THE_BODY
    if url.origin() != hop.url.origin():
        dropped |= _OF_THE_ORIGIN
    headers = {name: value for name, value in hop.headers.items() if name.lower() not in dropped}
    return _Hop(method, url, headers, body, _proxy_of(str(url)))


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a URL (`https_proxy`, `no_proxy`).

    Not by aiohttp's `trust_env`: that looks up the proxy and the user's `.netrc` in a thread for each request. It would
    send what `.netrc` has for the host, and raise ValueError if the probe has a credential of its own.
    """
    parts, proxies = urlsplit(url), urllib.request.getproxies_environment()
    is_direct = urllib.request.proxy_bypass(parts.hostname or "", proxies)
    return None if is_direct else proxies.get(parts.scheme)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body; raises BodyTooLong, also for a small body that is too long when decompressed."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > LONGEST_BODY_BYTES:
            raise UncheckableBody
        pieces.append(piece)
    return b"".join(pieces)


def _explain(error: Exception) -> tuple[Reason, str]:
    """Return the reason why there is no answer, and a text."""
    if isinstance(error, TimeoutError):
        return "timeout", "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return "tls", str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return explain_connecting(error.os_error, f"{error.host}:{error.port}", 0.0)
    if type(error) is UnicodeError:  # a label of the host has more than 63 characters
        return "unreachable", f"the host cannot be resolved: {error}"
    if isinstance(error, ConnectionError | aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return "reset", str(error)
    if isinstance(error, aiohttp.ClientPayloadError) and _is_cut_short(error.__cause__):
        return "reset", str(error)
    return "bad_answer", str(error) or type(error).__name__


def _is_cut_short(cause: BaseException | None) -> bool:
    """Whether the server closed the connection in the middle of a body."""
    if isinstance(cause, TransferEncodingError):
        return cause.message.startswith("Not enough data")  # the error is also raised for malformed chunks
    return isinstance(cause, ContentLengthError | ConnectionError)


@asynccontextmanager
async def opened(probe: HttpProbe, shard: int, shards: int) -> AsyncIterator[AiohttpClient]:
    """Open the session that all transactions share, for the length of the block."""
    steps = compile_steps(probe)
    # The time limit of a request is that of all its redirects, and the client's own.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=probe.connect_timeout.total_seconds())
    # The load limits what is in flight, so the pool does not, unless the file asks for it; 0 means no limit.
    connector = aiohttp.TCPConnector(
        limit=0,
        limit_per_host=probe.max_connections or 0,
        ssl=probe.tls.context(),
        keepalive_timeout=probe.idle_timeout.total_seconds(),
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        # Each transaction has a jar of its own.
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_Timer.tracing()],
        skip_auto_headers=["Accept-Encoding"],
    ) as session:
        yield AiohttpClient(probe, steps, session, compile_values(probe, steps, shard, shards))
    # aiohttp closes TLS connections in the next round of the loop.
    await asyncio.sleep(0)
