"""Running a client of the HTTP probe against a server, on both kinds of event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import startable
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.outcome import Outcome
from tests.probes.hostile_server import HostileServer, open_files

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def probe(
    port: int, *, method: str = "GET", host: str = "127.0.0.1", reads: bool = False, **settings: Any
) -> HttpProbe:
    checks: list[dict[str, Any]] = [{"status": "2xx"}]
    if reads:
        checks += [{"header": "x-state", "equals": "good"}]
    scheme = settings.pop("scheme", "http")
    return HttpProbe.model_validate(
        {
            "url": f"{scheme}://{host}:{port}/",
            "method": method,
            "checks": checks,
            "timeout": "30s",
            "idle_timeout": "60s",
        }
        | settings
    )


async def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another thread or the kernel sets no event
            await asyncio.sleep(0.002)


def on_loop(name: str, main: Callable[[], Awaitable[None]]) -> None:
    """Run on one kind of loop; nothing may reach the loop's exception handler, and no file may stay open."""
    unhandled: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        await open_and_close()  # the loop opens a file of its own for the first connection
        before = open_files()
        await main()
        await eventually(lambda: open_files() <= before)

    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        runner.run(watched())
    assert unhandled == []


async def open_and_close() -> None:
    with HostileServer() as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: server.open_connections == 0)


async def transact(client: Any, times: int = 1) -> list[Outcome]:
    """Start transactions at once and return their outcomes; a second outcome would be an error of its future."""
    futures = [asyncio.get_running_loop().create_future() for _ in range(times)]
    for future in futures:
        client.start(future.set_result)
    async with asyncio.timeout(60):
        return [await future for future in futures]


async def meet(server: HostileServer, settings: HttpProbe, after: int = 2) -> Outcome:
    """Make one transaction with the server's first behaviour, and then good ones, one after the other."""
    async with open_client(settings) as opened, startable(opened) as client:
        (outcome,) = await transact(client)
        for _ in range(after):
            assert await transact(client) == [Outcome()]
    await eventually(lambda: server.open_connections == 0)
    return outcome
