"""The stream of events: the state, each second of the load, the phases of drills, and the states of alerts.

An event is written to all clients at once, without a task for each of them: the load has the same processors. Nobody is
waited for, and a client that does not read is cut off. One that comes again with `Last-Event-ID` gets what it missed, as
far as it is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import HttpVersion11, web

from alertdrill.agent.api import wire
from alertdrill.agent.api.calls import ApiCall
from alertdrill.agent.api.reading import running_drill, status
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.serving.door import Refused
from alertdrill.probes.load.tally import LoadSecond
from alertdrill.units.waiting import set_within

_LOOK_EVERY_SECONDS = 0.25
# The ledger is on a disk.
_STATUS_EVERY_SECONDS = 2.0
# A quarter of an hour of the load.
_KEPT = 900
_MOST_UNREAD_BYTES = 256 * 1024
_BEGIN_WITHIN_SECONDS = 60.0
_MOST_CLIENTS = 64
# Proxies close a connection that is silent for a minute.
_PING_EVERY_SECONDS = 15.0
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(eq=False)
class _Client:
    """One open stream, which gets events once it `has_begun`, until it `is_over`.

    Its text has the framing of RFC 9112, 7.1; HTTP/1.0 has none.
    """

    transport: asyncio.Transport
    is_chunked: bool
    has_begun: bool = False
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, text: bytes) -> None:
        """Send a text, without waiting; a client that has not read what came before is cut off."""
        if self.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self.transport.abort()
        if self.transport.is_closing():
            self.is_over.set()
        else:
            self.transport.write(b"%x\r\n%b\r\n" % (len(text), text) if self.is_chunked else text)


class Events:
    """The events of one agent, and the clients that listen."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.seconds: deque[wire.LoadSecond] = deque(maxlen=_KEPT)
        # Numbers of another process must not be taken for ours.
        self._begin = f"{int(agent.parts.site.clocks.wall())}"
        self._number = 0
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=2 * _KEPT)
        self._clients: set[_Client] = set()
        self._last_second: LoadSecond | None = None
        self._told: dict[str, object] = {}

    async def run(self) -> None:
        """Look at the agent and tell what changed, until this is cancelled; then the streams end."""
        clock, status_at = asyncio.get_running_loop().time, -_STATUS_EVERY_SECONDS
        try:
            while True:
                self._look_at_load()
                self._look_at_drill()
                if clock() - status_at >= _STATUS_EVERY_SECONDS:
                    status_at = clock()
                    self._look_at_status()
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
        finally:
            for client in self._clients:
                client.is_over.set()

    def _look_at_load(self) -> None:
        for second in self._new_seconds():
            values = {name: getattr(second, name) for name in wire.LoadSecond.model_fields if name != "seen_at"}
            told = wire.LoadSecond(seen_at=self._agent.parts.site.clocks.now(), **values)
            self.seconds.append(told)
            self._publish("load", told)

    def _new_seconds(self) -> list[LoadSecond]:
        found: list[LoadSecond] = []
        for second in reversed(self._agent.parts.load.tally.seconds):
            if second is self._last_second:
                break
            found.append(second)
        self._last_second = found[0] if found else self._last_second
        return found[::-1]

    def _look_at_drill(self) -> None:
        parts = self._agent.parts
        running = parts.site.running
        told = None if running is None else running_drill(running, parts.schedule.entry or "")
        alerts = wire.Page[wire.AlertState](items=[] if told is None else told.alerts)
        drill = wire.Running(running=told)
        # Its time passes without an event.
        self._publish_change("drill", drill, drill.model_dump_json(exclude={"running": {"phase_seconds", "alerts"}}))
        self._publish_change("alerts", alerts, alerts.model_dump_json())

    def _look_at_status(self) -> None:
        told = status(self._agent)
        self._publish_change("status", told, told.model_dump_json(exclude={"now", "running"}))

    def _publish_change(self, event: str, told: wire.Wire, key: str) -> None:
        if self._told.get(event) != key:
            self._told[event] = key
            self._publish(event, told)

    def _publish(self, event: str, told: wire.Wire) -> None:
        self._number += 1
        text = f"id: {self._begin}-{self._number}\nevent: {event}\ndata: {told.model_dump_json()}\n\n".encode()
        self._kept.append((self._number, text))
        for client in self._clients:
            if client.has_begun:
                client.write(text)

    async def events(self, call: ApiCall) -> web.StreamResponse:
        """Send a stream of events; it ends with the agent, or when the client does not read."""
        self._clients -= {one for one in self._clients if one.transport.is_closing()}
        if len(self._clients) >= _MOST_CLIENTS:
            raise Refused(503, "too many streams are open", f"at most {_MOST_CLIENTS}", Retry_After="10")
        response, transport = web.StreamResponse(headers=_HEADERS), call.request.transport
        if transport is None or transport.is_closing():
            return response
        client = _Client(transport, is_chunked=call.request.version >= HttpVersion11)
        self._clients.add(client)
        try:
            await self._begin_stream(client, response, call.request)
            while not await set_within(client.is_over, _PING_EVERY_SECONDS):
                client.write(b": ping\n\n")
        except ConnectionError:
            pass
        except TimeoutError:
            transport.abort()
        finally:
            self._clients.discard(client)
        return response

    async def _begin_stream(self, client: _Client, response: web.StreamResponse, request: web.Request) -> None:
        """Send what a client gets at once, and all events up to now; raises ConnectionError and TimeoutError."""
        async with asyncio.timeout(_BEGIN_WITHIN_SECONDS):
            await response.prepare(request)
            sent = self._number
            await response.write(b"".join(self._first(request.headers.get("Last-Event-ID", ""))))
            while sent < self._number:
                since, sent = sent, self._number
                await response.write(b"".join(self._kept_after(since)))
        client.has_begun = True

    def _first(self, last_id: str) -> Iterator[bytes]:
        """Yield what a client gets at once: what it missed, or the state as it is now."""
        yield b"retry: 3000\n\n"
        begin, _, number = last_id.partition("-")
        is_known = begin == self._begin and number.isdecimal() and len(number) < 20
        if is_known and self._kept and self._kept[0][0] - 1 <= int(number) <= self._number:
            yield from self._kept_after(int(number))
            return
        yield f"event: status\ndata: {status(self._agent).model_dump_json()}\n\n".encode()

    def _kept_after(self, number: int) -> Iterator[bytes]:
        return (text for kept, text in self._kept if kept > number)

    async def load(self, call: ApiCall) -> wire.LoadStatus:
        """Return the load and its last seconds."""
        tally = self._agent.parts.load.tally
        return wire.LoadStatus(
            due=tally.due,
            succeeded=tally.succeeded,
            failed=tally.failed,
            dropped=tally.dropped,
            lost=tally.lost,
            in_flight=tally.in_flight,
            reasons=dict(tally.reasons),
            seconds=list(self.seconds)[-call.query.seconds :],
        )
