"""The HTTP client with proxies, cookies, redirects and compressed bodies, which the lean client does not have."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError
from yarl import URL

from alertdrill.probes.checks.answer import Answer
from alertdrill.probes.data.template import RefusedValue
from alertdrill.probes.http.connection import LONGEST_BODY_BYTES, BodyTooLong
from alertdrill.probes.http.origin import explain_connecting
from alertdrill.probes.http.settings import KEY_NAME, HttpProbe
from alertdrill.probes.http.step import HttpStep, compile_steps, compile_values
from alertdrill.probes.outcome import Outcome, Reason, Request
from alertdrill.units.text import one_line

_FAILURES = (TimeoutError, OSError, aiohttp.ClientError, RefusedValue, UnicodeError, BodyTooLong)


class AiohttpClient:
    """Makes the transactions of one `HttpProbe` over a session of aiohttp."""

    def __init__(
        self,
        steps: tuple[HttpStep, ...],
        session: aiohttp.ClientSession,
        server_name: str | None,
        draw: Callable[[], dict[str, object]] | None,
    ) -> None:
        self._steps = steps
        self._session = session
        self._server_name = server_name
        self._draw = draw
        self._acknowledged: list[str] = []

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        values = self._draw() if self._draw is not None else {}
        requests: list[Request] = []
        for step in self._steps:
            outcome, answer, seconds = await self._request(step, values)
            failed = outcome.refused_by_status or outcome.reason not in {None, "check"}
            requests.append(Request(step.request.title, seconds, failed))
            if outcome.reason is None and answer is not None and step is not self._steps[-1]:
                carried = step.carry(answer)
                if isinstance(carried, str):
                    outcome = Outcome("bad_answer", carried)
                else:
                    values |= carried
            if outcome.reason is not None:
                break
        if outcome.reason is None and KEY_NAME in values:
            self._acknowledged.append(str(values[KEY_NAME]))
        if len(self._steps) == 1:
            return outcome
        return replace(outcome, requests=tuple(requests))

    def take_acknowledged(self) -> list[str]:
        """Return the idempotency keys of the transactions that succeeded since the last call."""
        taken, self._acknowledged = self._acknowledged, []
        return taken

    async def _request(self, step: HttpStep, values: Mapping[str, object]) -> tuple[Outcome, Answer | None, float]:
        started = time.monotonic()
        try:
            answer = await self._exchange(step, values, started)
        except _FAILURES as error:
            reason, detail = _explain(error)
            return step.without_answer(reason, one_line(detail)), None, time.monotonic() - started
        return step.judge(answer), answer, answer.seconds

    async def _exchange(self, step: HttpStep, values: Mapping[str, object], started: float) -> Answer:
        scheme, netloc, *_ = urlsplit(step.request.url)
        # The user and password are in a header already, and aiohttp refuses them in both places.
        origin = urlunsplit((scheme, netloc.rpartition("@")[2], "", "", ""))
        target = step.parts.path.render(values).decode()
        # aiohttp would send this Host to the target of a redirect as well, so it is left out unless the file has one.
        has_host = "Host" in step.request.headers
        headers = {n: value.render(values).decode() for n, value in step.parts.headers if n != "Host" or has_host}
        async with self._session.request(
            step.request.method,
            URL(origin + target, encoded=True),
            data=step.parts.body.render(values) or None,
            headers=headers,
            server_hostname=self._server_name,
        ) as response:
            body = await _read(response)
        by_name: dict[bytes, bytes] = {}
        for name, value in response.raw_headers:
            by_name[name.lower()] = by_name[name.lower()] + b", " + value if name.lower() in by_name else value
        return Answer(response.status, by_name, body, time.monotonic() - started)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body; raises BodyTooLong, also for a small body that is too long when decompressed."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > LONGEST_BODY_BYTES:
            raise BodyTooLong
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
    timeout = aiohttp.ClientTimeout(
        total=probe.timeout.total_seconds(), sock_connect=probe.connect_timeout.total_seconds()
    )
    # The load limits what is in flight, so the pool does not, unless the file asks for it; 0 means no limit.
    connector = aiohttp.TCPConnector(
        limit=0,
        limit_per_host=probe.max_connections or 0,
        ssl=probe.tls.context(),
        keepalive_timeout=probe.idle_timeout.total_seconds(),
    )
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True) as session:
        yield AiohttpClient(steps, session, probe.tls.server_name, compile_values(probe, steps, shard, shards))
    # aiohttp closes TLS connections in the next round of the loop.
    await asyncio.sleep(0)
