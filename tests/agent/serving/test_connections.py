"""Strangers at `listen` who hold connections: each wait ends, and there is always room for one more."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web

from alertdrill.agent.serving.metrics import AgentState, registry
from alertdrill.agent.serving.server import ConnectionLimits, metrics_route, serving
from alertdrill.lab.ports import free_ports
from tests.support.waiting import until

LIMITS = ConnectionLimits(connections=8, seconds_for_a_head=60.0)
PROMETHEUS, STRANGER = "127.0.0.2", "127.0.0.3"


class Held(NamedTuple):
    """A connection that a stranger holds."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, pieces: Iterable[bytes], every: float) -> None:
        """Send slowly until the server closes the connection."""
        for piece in pieces:
            try:
                self.writer.write(piece)
                await self.writer.drain()
            except OSError:
                return
            await asyncio.sleep(every)


@asynccontextmanager
async def served(limits: ConnectionLimits) -> AsyncIterator[int]:
    """Serve metrics on a free port."""
    (port,) = free_ports(1)
    async with serving([metrics_route(registry(AgentState))], f"127.0.0.1:{port}", limits=limits):
        yield port


async def held(port: int, address: str = STRANGER, sent: bytes = b"GET /metr") -> Held:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(sent)
    return Held(reader, writer)


async def scraped(session: aiohttp.ClientSession, port: int) -> int:
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        await answer.read()
        return answer.status


async def is_closed(one: Held) -> bool:
    try:
        async with asyncio.timeout(30):
            while await one.reader.read(65536):
                pass
    except ConnectionError:
        return True
    return True


def scraper() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(PROMETHEUS, 0)))


@pytest.mark.parametrize("first", [b"", b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_a_head_that_comes_slowly_is_not_waited_for(first: bytes) -> None:
    """Each byte comes in time; the whole head does not."""
    async with served(ConnectionLimits(seconds_for_a_head=0.3)) as port:
        stranger = await held(port, sent=first)
        sending = asyncio.ensure_future(stranger.send(repeat(b"x"), 0.02))
        assert await is_closed(stranger)
        sending.cancel()


async def test_a_connection_that_is_not_used_is_closed() -> None:
    async with served(ConnectionLimits(seconds_for_a_head=0.3)) as port:
        assert await is_closed(await held(port, sent=b""))
        assert await is_closed(await held(port, sent=b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"))


async def test_prometheus_gets_through_while_strangers_hold_all_connections() -> None:
    """Its own connection is not the one that is closed, although it waited longer than all others."""
    opened = 0
    trace = aiohttp.TraceConfig()

    async def count(*_: object) -> None:
        nonlocal opened
        opened += 1

    trace.on_connection_create_end.append(count)
    connector = aiohttp.TCPConnector(local_addr=(PROMETHEUS, 0), keepalive_timeout=600)
    async with (
        served(LIMITS) as port,
        aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as prometheus,
        scraper() as another,
    ):
        assert await scraped(prometheus, port) == 200
        strangers = [await held(port) for _ in range(30)]
        # 8 at once: those that came first are closed, and Prometheus is not.
        assert all([await is_closed(one) for one in strangers[:23]])
        assert await scraped(prometheus, port) == 200
        assert await scraped(another, port) == 200
        assert opened == 1
        assert await is_closed(strangers[23])


async def test_of_one_address_the_connection_that_waited_longest_is_closed() -> None:
    """All programs of one machine have the same address."""
    async with served(LIMITS) as port, scraper() as prometheus:
        strangers = [await held(port, PROMETHEUS) for _ in range(30)]
        assert await scraped(prometheus, port) == 200
        assert all([await is_closed(one) for one in strangers[:23]])


async def test_a_client_that_does_not_read_is_closed_for_others() -> None:
    """The server does not wait until that client has read the whole answer."""
    large = b"x" * 2**24

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=large)

    (port,) = free_ports(1)
    limits = ConnectionLimits(connections=2, seconds_for_a_head=60.0)
    async with serving([web.get("/large", answer)], f"127.0.0.1:{port}", limits=limits):
        strangers = [await held(port, sent=b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(2)]
        for one in strangers:
            await one.reader.readexactly(1)
        # Garbage of earlier tests closes files when it is collected.
        gc.collect()
        before = open_files()
        newcomers = [await held(port) for _ in range(2)]
        # Each newcomer opens two files in this process, and for each the server closes one.

        async def are_closed() -> bool:
            return open_files() == before + 2

        await until(are_closed, "the connections of those that do not read are closed", 30)
        for one in [*strangers, *newcomers]:
            one.writer.close()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_call_that_is_being_handled_is_kept() -> None:
    """Alertmanager's call is not lost, although strangers come after it and wait less."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        entered.set()
        await leave.wait()
        return web.Response(text="taken")

    (port,) = free_ports(1)
    async with serving([web.get("/slow", slow)], f"127.0.0.1:{port}", limits=LIMITS):
        call = await held(port, sent=b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await entered.wait()
        strangers = [await held(port) for _ in range(30)]
        assert all([await is_closed(one) for one in strangers[:23]])
        leave.set()
        assert (await call.reader.read()).endswith(b"taken")
