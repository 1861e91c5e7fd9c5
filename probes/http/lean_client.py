"""The lean HTTP client: it renders a request, exchanges it for an answer on a pooled connection, and checks that."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from alertdrill.probes.checks.answer import Answer, unpacked
from alertdrill.probes.client import Ended
from alertdrill.probes.data.template import RefusedValue
from alertdrill.probes.http.connection import Exchange
from alertdrill.probes.http.origin import Origin
from alertdrill.probes.http.pool import Pool, PoolLimits
from alertdrill.probes.http.settings import KEY_NAME, HttpProbe, HttpRequest
from alertdrill.probes.http.step import HttpStep, compile_steps, compile_values
from alertdrill.probes.http.tracing import naming, sampler, with_trace
from alertdrill.probes.outcome import NamedRequest, Outcome, Reason

_NO_VALUES: dict[str, object] = {}


class LeanHttpClient:
    """Makes the transactions of one `HttpProbe` over pooled connections; `pools` has one pool for each step."""

    def __init__(
        self,
        steps: tuple[HttpStep, ...],
        pools: tuple[Pool, ...],
        draw: Callable[[], dict[str, object]] | None,
        trace_every: int | None = None,
    ) -> None:
        self._steps = steps
        self._pools = pools
        self._draw = draw
        self._next_trace = None if trace_every is None else sampler(trace_every)
        self._first, self._first_pool = steps[0], pools[0]
        self._first_is_head = steps[0].request.method == "HEAD"
        self._acknowledged: list[str] = []

    def start(self, ended: Ended) -> None:
        """Start a transaction; `ended` is called once with its outcome."""
        values = self._draw() if self._draw is not None else _NO_VALUES
        trace_id = "" if self._next_trace is None else self._next_trace()
        if trace_id:
            ended = naming(ended, trace_id)
        if len(self._steps) > 1:
            # A copy, because carried values are added to it.
            _Sequence(self._steps, self._pools, dict(values), partial(self._keep, ended, values), trace_id).start()
            return
        try:
            request = self._first.render(values)
        except RefusedValue as error:
            ended(self._first.without_answer("bad_answer", str(error)))
            return
        if trace_id:
            request = with_trace(request, trace_id)
        self._first_pool.send(
            request, partial(self._answered, ended, values, time.monotonic()), is_head=self._first_is_head
        )

    def cut_off(self) -> None:
        """End every transaction in flight with the reason `unfinished`."""
        for pool in dict.fromkeys(self._pools):
            pool.cut_off()

    def take_acknowledged(self) -> list[str]:
        """Return the idempotency keys of the transactions that succeeded since the last call."""
        taken, self._acknowledged = self._acknowledged, []
        return taken

    def _answered(
        self, ended: Ended, values: Mapping[str, object], sent: float, exchange: Exchange, reason: Reason | None
    ) -> None:
        if reason is not None:
            outcome = self._first.without_answer(reason, exchange.detail)
        else:
            outcome = self._first.judge(_answer(exchange, time.monotonic() - sent))
        if exchange.opening is not None:
            outcome = replace(outcome, opening=exchange.opening)
        self._keep(ended, values, outcome)

    def _keep(self, ended: Ended, values: Mapping[str, object], outcome: Outcome) -> None:
        if outcome.reason is None and KEY_NAME in values:
            self._acknowledged.append(str(values[KEY_NAME]))
        ended(outcome)


def _answer(exchange: Exchange, seconds: float) -> Answer:
    """Return the answer of an exchange that took `seconds`, with its wait for a connection."""
    if exchange.opening is not None:
        seconds = max(seconds - exchange.opening.waited_seconds, 0.0)
    body = exchange.body
    if b"content-encoding" in exchange.headers:
        body = unpacked(body, exchange.headers[b"content-encoding"])
    return Answer(exchange.status, exchange.headers, body, seconds)


class _Sequence:
    """One transaction of several requests; each is sent when the answer before it has passed its checks."""

    def __init__(
        self,
        steps: tuple[HttpStep, ...],
        pools: tuple[Pool, ...],
        values: dict[str, object],
        ended: Ended,
        trace_id: str,
    ) -> None:
        self._steps = steps
        self._pools = pools
        self._values = values
        self._ended = ended
        self._trace_id = trace_id
        self._index = 0
        self._sent = 0.0
        self._requests: list[NamedRequest] = []

    def start(self) -> None:
        """Send the next request."""
        step = self._steps[self._index]
        try:
            request = step.render(self._values)
        except RefusedValue as error:
            self._requests.append(NamedRequest(step.request.title, 0.0, failed=True))
            self._end(step.without_answer("bad_answer", str(error)))
            return
        if self._trace_id:
            request = with_trace(request, self._trace_id)
        self._sent = time.monotonic()
        self._pools[self._index].send(request, self._answered, is_head=step.request.method == "HEAD")

    def _answered(self, exchange: Exchange, reason: Reason | None) -> None:
        step, seconds = self._steps[self._index], time.monotonic() - self._sent
        answer = _answer(exchange, seconds)
        failed = reason is not None or exchange.status >= 400
        self._requests.append(NamedRequest(step.request.title, answer.seconds, failed, exchange.opening))
        if reason is not None:
            self._end(step.without_answer(reason, f"{step.request.title}: {exchange.detail}"))
            return
        outcome = step.judge(answer)
        if outcome.reason is not None:
            self._end(outcome)
            return
        self._go_on(step, answer, outcome)

    def _go_on(self, step: HttpStep, answer: Answer, outcome: Outcome) -> None:
        self._index += 1
        if self._index == len(self._steps):
            self._end(outcome)
            return
        carried = step.carry(answer) if step.request.carry else {}
        if isinstance(carried, str):
            self._end(Outcome("bad_answer", f"{step.request.title}: {carried}"))
            return
        self._values |= carried
        self.start()

    def _end(self, outcome: Outcome) -> None:
        self._ended(
            Outcome(
                outcome.reason,
                outcome.detail,
                outcome.failed_checks,
                refused_by_status=outcome.refused_by_status,
                requests=tuple(self._requests),
            )
        )


@asynccontextmanager
async def opened(probe: HttpProbe, shard: int, shards: int) -> AsyncIterator[LeanHttpClient]:
    """Open the pools that all transactions share, for the length of the block."""
    steps = compile_steps(probe)
    limits = PoolLimits(
        timeout_seconds=probe.timeout.total_seconds(),
        connect_seconds=min(probe.connect_timeout, probe.timeout).total_seconds(),
        idle_seconds=probe.idle_timeout.total_seconds(),
        resolve_seconds=probe.resolve_interval.total_seconds(),
        max_connections=probe.max_connections or math.inf,
    )
    reads = any(step.checks.needs_headers or step.checks.needs_body or step.request.carry for step in steps)
    # Only for https: it takes 30 ms to load the system's certificate authorities.
    context = probe.tls.context() if any(_authority(request)[0] == "https" for request in probe.requests) else None
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        pools: dict[tuple[str, str], Pool] = {}
        for request in probe.requests:
            key = _authority(request)
            if key not in pools:
                pools[key] = Pool(_origin(request, probe, context), limits, tasks, reads=reads)
                await stack.enter_async_context(pools[key].opened())
        each = tuple(pools[_authority(request)] for request in probe.requests)
        yield LeanHttpClient(steps, each, compile_values(probe, steps, shard, shards), probe.trace_every)


def _authority(request: HttpRequest) -> tuple[str, str]:
    url = urlsplit(request.url)
    return url.scheme, url.netloc


def _origin(request: HttpRequest, probe: HttpProbe, context: ssl.SSLContext | None) -> Origin:
    url = urlsplit(request.url)
    is_tls = url.scheme == "https"
    return Origin(
        host=url.hostname or "",
        port=url.port or (443 if is_tls else 80),
        tls=context if is_tls else None,
        server_name=probe.tls.server_name,
    )
