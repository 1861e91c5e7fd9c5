"""Keep-alive connections to one origin, and the time limit of every exchange on them.

No exchange has a timer. All have the same time limit, so they time out in the order in which they began, and a
regular sweep over the oldest finds them. The same sweep closes connections that have been idle for too long:
otherwise the server might close them in the middle of a request.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from alertdrill.probes.http.connection import Connection, Exchange, ReadingConnection
from alertdrill.probes.http.origin import Dialer, Dialing, LookUp, Origin, explain_connecting, look_up
from alertdrill.probes.outcome import UNFINISHED, Opening, Reason

# A server that refused so often in a row is not asked again for this time, and what is to be sent meanwhile is refused as
# well: otherwise a server that is down would take more of the processor than one that answers.
_BACK_OFF_AFTER = 10
_BACK_OFF_SECONDS = 0.005


@dataclass(frozen=True)
class PoolLimits:
    """Time limits in seconds, and the largest number of connections."""

    timeout_seconds: float = 30.0
    connect_seconds: float = 10.0
    idle_seconds: float = 4.0
    resolve_seconds: float = 30.0
    max_connections: float = math.inf


class Pool:
    """Connections to one origin. It opens as many as there are exchanges at a time, and keeps them.

    When there are `max_connections`, exchanges wait for one in the order in which they came. Their time limit runs.
    """

    def __init__(
        self, origin: Origin, limits: PoolLimits, tasks: asyncio.TaskGroup, *, reads: bool, look_up: LookUp = look_up
    ) -> None:
        self._origin = origin
        self._dialer = Dialer(origin, limits.connect_seconds, look_up)
        self._limits = limits
        self._tasks = tasks
        self._connection_class = ReadingConnection if reads else Connection
        self._idle: list[Connection] = []
        self._waiting: dict[Exchange, None] = {}
        self._queued: dict[Exchange, None] = {}
        self._connecting: dict[Exchange, asyncio.Task[None]] = {}
        self._refusals = 0
        self._refusal = OSError()
        self._refused_until = 0.0

    def send(self, request: bytes, ended: Callable[[Exchange, Reason | None], None], *, is_head: bool = False) -> None:
        """Begin an exchange on an idle connection, or on a new one."""
        now = time.monotonic()
        exchange = Exchange(
            request, is_head=is_head, began=now, deadline=now + self._limits.timeout_seconds, ended=ended
        )
        self._waiting[exchange] = None
        while self._idle:
            connection = self._idle.pop()
            # After a stall, this may run before the sweep, and an old connection may still be in the list.
            if connection.idle_until < now:
                connection.close()
            elif not connection.is_closed:
                connection.begin(exchange)
                return
        # No connection is idle here, so their number is that of the exchanges that are not queued.
        if len(self._waiting) - len(self._queued) > self._limits.max_connections:
            self._queued[exchange] = None
            return
        self._connect(exchange)

    def finish(self, exchange: Exchange, reason: Reason | None, reusable: Connection | None) -> None:
        """End an exchange, and take its connection back if it is reusable."""
        del self._waiting[exchange]
        if self._queued and len(self._waiting) - len(self._queued) < self._limits.max_connections:
            self._take_next(reusable)
        elif reusable is not None:
            reusable.idle_until = time.monotonic() + self._limits.idle_seconds
            self._idle.append(reusable)
        exchange.ended(exchange, reason)

    def _take_next(self, connection: Connection | None) -> None:
        """Begin the exchange that has been queued for longest, in the place of one that ended."""
        exchange = next(iter(self._queued))
        del self._queued[exchange]
        if connection is not None:
            exchange.opening = Opening(time.monotonic() - exchange.began)
            connection.begin(exchange)
        else:
            self._connect(exchange)

    def _connect(self, exchange: Exchange) -> None:
        if exchange.began < self._refused_until:
            self._fail(exchange, self._refusal)
            return
        try:
            dialing = self._dialer.begun()
        except OSError as error:
            self._fail(exchange, error)
            return
        task = self._connecting[exchange] = self._tasks.create_task(self._connected(exchange, dialing))
        # A task that is cancelled before it begins runs nothing, so it cannot close the socket itself.
        task.add_done_callback(lambda ended: dialing.socket.close() if ended.cancelled() else None)

    def _fail(self, exchange: Exchange, error: OSError) -> None:
        if error is not self._refusal:
            self._note(error)
        reason, exchange.detail = explain_connecting(error, self._origin.authority, self._limits.connect_seconds)
        self.finish(exchange, reason, None)

    def _note(self, error: OSError) -> None:
        self._refusals = self._refusals + 1 if isinstance(error, ConnectionRefusedError) else 0
        if self._refusals >= _BACK_OFF_AFTER:
            self._refusal, self._refused_until = error.with_traceback(None), time.monotonic() + _BACK_OFF_SECONDS

    async def _connected(self, exchange: Exchange, dialing: Dialing) -> None:
        try:
            dialed = await self._dialer.opened(dialing, lambda: self._connection_class(self))
        except OSError as error:
            self._connecting.pop(exchange)
            self._fail(exchange, error)
            return
        self._connecting.pop(exchange)
        if dialed.connection.is_closed:
            reason, exchange.detail = dialed.connection.closed_early
            self.finish(exchange, reason, None)
            return
        self._refusals = 0
        waited_seconds = time.monotonic() - exchange.began
        exchange.opening = Opening(waited_seconds, dialed.connecting_seconds, dialed.tls_seconds)
        dialed.connection.begin(exchange)

    async def _keep_sweeping(self) -> None:
        interval_seconds = min(max(self._limits.timeout_seconds / 50, 0.005), 0.25)
        while True:
            # If the process is stopped in this sleep (SIGSTOP), answers that came in time are not read yet.
            swept = time.monotonic() + interval_seconds
            await asyncio.sleep(interval_seconds)
            self._time_out_until(swept)
            self._close_stale(time.monotonic())

    def _time_out_until(self, instant: float) -> None:
        while self._waiting:
            oldest = next(iter(self._waiting))
            if oldest.deadline > instant:
                break
            self._time_out(oldest)

    def _close_stale(self, now: float) -> None:
        stale = 0
        while stale < len(self._idle) and self._idle[stale].idle_until < now:
            self._idle[stale].close()
            stale += 1
        del self._idle[:stale]

    def _time_out(self, exchange: Exchange) -> None:
        missing = "answer"
        if exchange in self._queued:
            del self._queued[exchange]
            missing = f"free connection among {self._limits.max_connections:g}"
        elif task := self._connecting.pop(exchange, None):
            task.cancel()
            missing = "connection"
        if exchange.connection is not None:
            exchange.connection.close()
        exchange.detail = f"no {missing} within {self._limits.timeout_seconds:g} s"
        self.finish(exchange, "timeout", None)

    def cut_off(self) -> None:
        """End every exchange with the reason `unfinished`."""
        # From the newest on, so that none that is queued takes the place of one that ends.
        while self._waiting:
            exchange = next(reversed(self._waiting))
            self._queued.pop(exchange, None)
            if task := self._connecting.pop(exchange, None):
                task.cancel()
            if exchange.connection is not None:
                exchange.connection.close()
            exchange.detail = UNFINISHED
            self.finish(exchange, "unfinished", None)

    def close(self) -> None:
        """Close every connection, without ending the exchanges on them."""
        for connection in [*self._idle, *(exchange.connection for exchange in self._waiting)]:
            if connection is not None:
                connection.close()
        for task in self._connecting.values():
            task.cancel()
        self._waiting.clear()
        self._queued.clear()
        self._idle.clear()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Look the server up and enforce the time limits for the length of the block."""
        await self._dialer.resolve()
        keepers = [
            self._tasks.create_task(self._dialer.keep_resolving(self._limits.resolve_seconds)),
            self._tasks.create_task(self._keep_sweeping()),
        ]
        try:
            yield
        finally:
            for keeper in keepers:
                keeper.cancel()
            self.close()
