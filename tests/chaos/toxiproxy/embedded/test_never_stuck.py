"""A change is made at once, where the real server waits for a client that does not read and then gives up."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.support.tcp_pair import WITHIN_SECONDS, Side, proxied
from tests.support.toxiproxies import ToxiproxyServer

MEGABYTES_3 = 3_000_000


async def test_a_toxic_before_a_black_hole_is_changed_and_removed(
    both: tuple[ToxiproxyServer, ToxiproxyServer],
) -> None:
    both[1].clear()
    async with proxied(both[1]) as proxy:
        await proxy.add("slicer", {"average_size": 1000})
        await proxy.add("latency", {"latency": 1})
        await proxy.add("bandwidth", {"rate": 0})
        client, server = await proxy.connect()
        data = os.urandom(MEGABYTES_3)
        sending = asyncio.create_task(server.send(data))
        assert await client.is_silent()
        async with asyncio.timeout(WITHIN_SECONDS):
            for name in ("slicer", "latency"):
                await proxy.update(name, {})
                await proxy.remove(name)
        assert await client.is_silent()
        await proxy.remove("bandwidth")
        assert await client.receive(len(data)) == data
        await sending


@pytest.mark.parametrize("kind", ["latency", "slicer", "noop", "bandwidth", "slow_close"])
async def test_a_toxic_before_a_client_that_does_not_read_is_removed_and_no_byte_is_lost(
    kind: str, both: tuple[ToxiproxyServer, ToxiproxyServer]
) -> None:
    settings = {"slicer": {"average_size": 30_000}, "bandwidth": {"rate": 10_000_000}}
    both[1].clear()
    async with proxied(both[1]) as proxy:
        await proxy.add(kind, settings.get(kind, {}))
        client, server = await proxy.connect()
        data = os.urandom(5 * MEGABYTES_3)
        sending = await _send_until_stuck(client, server, data)
        async with asyncio.timeout(WITHIN_SECONDS):
            await proxy.update(kind, {})
            await proxy.remove(kind)
        client.resume()
        assert await client.receive(len(data)) == data
        await sending


async def _send_until_stuck(client: Side, server: Side, data: bytes) -> asyncio.Task[None]:
    """Send to a client that does not read, until nothing moves any more."""
    client.pause()
    sending = asyncio.create_task(server.send(data))
    transport = server.writer.transport
    left = -1
    while left != (now := transport.get_write_buffer_size()):
        left = now
        await asyncio.sleep(0.3)
    return sending


async def test_a_toxic_before_one_that_has_closed_is_removed(both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    both[1].clear()
    async with proxied(both[1]) as proxy:
        await proxy.add("slicer", {"average_size": 10})
        await proxy.add("limit_data", {"bytes": 15})
        await proxy.add("slow_close", {"delay": 600_000})
        client, server = await proxy.connect()
        await server.send(b"x" * 1000)
        assert await client.receive(15) == b"x" * 15
        async with asyncio.timeout(WITHIN_SECONDS):
            await proxy.remove("slicer")
            await proxy.remove("limit_data")
        await proxy.remove("slow_close")
        assert await client.rest() == b""
