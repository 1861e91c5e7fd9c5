"""The effect of each toxic on a connection, on the real server and on the embedded one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import pairwise
from time import monotonic

import pytest
import pytest_asyncio

from tests.support.tcp_pair import WITHIN_SECONDS, Proxied, Side, proxied
from tests.support.toxiproxies import ToxiproxyServer
from tests.support.waiting import until

# Longer than any test.
FOREVER_MS = 600_000
# The loop of the embedded server counts milliseconds.
RESOLUTION_SECONDS = 0.001


@pytest_asyncio.fixture
async def proxy(server: ToxiproxyServer) -> AsyncIterator[Proxied]:
    async with proxied(server) as started:
        yield started


async def echoes(client: Side, server: Side) -> None:
    """Data passes in both directions."""
    await client.send(b"ping")
    assert await server.receive(4) == b"ping"
    await server.send(b"pong")
    assert await client.receive(4) == b"pong"


async def test_data_passes_unchanged_in_both_directions_at_once(proxy: Proxied) -> None:
    client, server = await proxy.connect()
    up, down = os.urandom(3_000_000), os.urandom(3_000_000)
    _, _, got_up, got_down = await asyncio.gather(
        client.send(up), server.send(down), server.receive(len(up)), client.receive(len(down))
    )
    assert (got_up, got_down) == (up, down)


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
async def test_every_harmless_chain_passes_data_unchanged(proxy: Proxied, stream: str) -> None:
    await proxy.add("latency", {"latency": 1, "jitter": 1}, stream=stream)
    await proxy.add("noop", stream=stream)
    await proxy.add("slicer", {"average_size": 3000, "size_variation": 500}, stream=stream)
    await proxy.add("bandwidth", {"rate": 50_000}, stream=stream)
    await proxy.add("slow_close", stream=stream)
    client, server = await proxy.connect()
    source, sink = (client, server) if stream == "upstream" else (server, client)
    data = os.urandom(500_000)
    _, received = await asyncio.gather(source.send(data), sink.receive(len(data)))
    assert received == data


async def test_a_close_passes_to_the_other_side(proxy: Proxied) -> None:
    client, server = await proxy.connect()
    await client.send(b"bye")
    client.close()
    assert await server.rest() == b"bye"
    client, server = await proxy.connect()
    await server.send(b"bye")
    server.close()
    assert await client.rest() == b"bye"


async def test_a_half_close_closes_both_directions(proxy: Proxied) -> None:
    client, server = await proxy.connect()
    client.writer.write_eof()
    assert await server.rest() == b""
    assert await client.rest() == b""


async def test_a_client_is_closed_when_there_is_no_upstream(proxy: Proxied) -> None:
    await proxy.call("PATCH", "", {"upstream": "127.0.0.1:1"})
    client = Side(*await asyncio.open_connection("127.0.0.1", proxy.port))
    assert await client.rest() == b""
    client.close()


@pytest.mark.parametrize("change", [{"enabled": False}, {"upstream": "127.0.0.1:1"}, None])
async def test_connections_end_when_the_proxy_is_disabled_changed_or_deleted(
    proxy: Proxied, change: dict[str, object] | None
) -> None:
    client, server = await proxy.connect()
    await echoes(client, server)
    await (proxy.call("DELETE", "") if change is None else proxy.call("PATCH", "", change))
    assert await client.rest() == b""
    assert await server.rest() == b""
    if change is None or "enabled" in change:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_toxics_survive_that_the_proxy_is_disabled(proxy: Proxied) -> None:
    await proxy.call("PATCH", "", {"enabled": False})
    await proxy.add("limit_data", {"bytes": 2})
    assert (await proxy.call("PATCH", "", {"enabled": True}))["listen"] == f"127.0.0.1:{proxy.port}"
    client, server = await proxy.connect()
    await server.send(b"abc")
    assert await client.rest() == b"ab"


class TestLatency:
    async def test_chunks_are_delayed_in_parallel(self, proxy: Proxied) -> None:
        await proxy.add("latency", {"latency": 2000})
        client, server = await proxy.connect()
        started = monotonic()
        for _ in range(50):
            await server.send(b"x")
            await asyncio.sleep(0.005)
        # One after the other they would take more than a minute.
        assert await client.receive(50) == b"x" * 50
        assert monotonic() - started >= 2.0 - RESOLUTION_SECONDS

    async def test_latencies_add_up(self, proxy: Proxied) -> None:
        await proxy.add("latency", {"latency": 150})
        await proxy.add("latency", {"latency": 100}, name="more")
        client, server = await proxy.connect()
        started = monotonic()
        await server.send(b"x")
        await client.receive(1)
        assert monotonic() - started >= 0.25 - RESOLUTION_SECONDS

    async def test_the_other_direction_and_the_close_are_not_late(self, proxy: Proxied) -> None:
        await proxy.add("latency", {"latency": FOREVER_MS})
        client, server = await proxy.connect()
        await client.send(b"x")
        assert await server.receive(1) == b"x"
        server.close()
        assert await client.rest() == b""

    async def test_it_reaches_open_connections_and_sends_the_held_data_when_removed(self, proxy: Proxied) -> None:
        client, server = await proxy.connect()
        await echoes(client, server)
        await proxy.add("latency", {"latency": FOREVER_MS})
        await server.send(b"held")
        assert await client.is_silent()
        await proxy.remove("latency")
        assert await client.receive(4) == b"held"
        await echoes(client, server)

    async def test_an_update_sends_the_held_chunk_and_holds_the_next(self, proxy: Proxied) -> None:
        await proxy.add("latency", {"latency": FOREVER_MS})
        client, server = await proxy.connect()
        await server.send(b"first")
        assert await client.is_silent()
        await server.send(b"second")
        assert await client.is_silent()
        await proxy.update("latency", {"jitter": 1})
        assert await client.receive(5) == b"first"
        assert await client.is_silent()


class TestBandwidth:
    async def test_data_takes_as_long_as_the_rate_says(self, proxy: Proxied) -> None:
        await proxy.add("bandwidth", {"rate": 200})
        client, server = await proxy.connect()
        started = monotonic()
        _, received = await asyncio.gather(server.send(b"x" * 100_000), client.receive(100_000))
        assert received == b"x" * 100_000
        assert monotonic() - started >= 0.45

    async def test_nothing_passes_at_zero_until_it_is_removed(self, proxy: Proxied) -> None:
        await proxy.add("bandwidth", {"rate": 0})
        client, server = await proxy.connect()
        await server.send(b"held")
        assert await client.is_silent()
        await proxy.remove("bandwidth")
        assert await client.receive(4) == b"held"
        await echoes(client, server)


class TestSlowClose:
    @pytest.mark.parametrize("stream", ["upstream", "downstream"])
    async def test_the_close_is_late_and_the_data_is_not(self, proxy: Proxied, stream: str) -> None:
        await proxy.add("slow_close", {"delay": 300}, stream=stream)
        client, server = await proxy.connect()
        source, sink = (client, server) if stream == "upstream" else (server, client)
        started = monotonic()
        await source.send(b"x")
        source.close()
        assert await sink.receive(1) == b"x"
        assert await sink.rest() == b""
        assert monotonic() - started >= 0.3 - RESOLUTION_SECONDS

    async def test_removal_closes_at_once(self, proxy: Proxied) -> None:
        await proxy.add("slow_close", {"delay": FOREVER_MS})
        client, server = await proxy.connect()
        server.close()
        assert await client.is_silent()
        await proxy.remove("slow_close")
        assert await client.rest() == b""


class TestTimeout:
    async def test_data_is_lost_and_the_connection_closed(self, proxy: Proxied) -> None:
        await proxy.add("timeout", {"timeout": 200})
        client, server = await proxy.connect()
        await server.send(b"lost")
        assert await client.rest() == b""
        assert await server.rest() == b""

    async def test_each_chunk_restarts_the_timer(self, proxy: Proxied) -> None:
        for limit_seconds in (1.0, 4.0, 16.0):
            await proxy.add("timeout", {"timeout": round(1000 * limit_seconds)})
            client, server = await proxy.connect()
            sent = [monotonic()]
            while sent[-1] - sent[0] < 1.3 * limit_seconds:
                await server.send(b"lost")
                sent.append(monotonic())
                await asyncio.sleep(0.1 * limit_seconds)
            is_silent = await client.is_silent(0.05 * limit_seconds)
            gaps = [after - before for before, after in pairwise([*sent, monotonic()])]
            if is_silent or max(gaps) < 0.5 * limit_seconds:  # else the machine stopped us from sending in time
                break
            await proxy.remove("timeout")
        assert is_silent
        assert await client.rest() == b""

    async def test_zero_never_closes_and_removal_does(self, proxy: Proxied) -> None:
        await proxy.add("timeout", {"timeout": 0})
        client, server = await proxy.connect()
        await server.send(b"lost")
        assert await client.is_silent()
        await proxy.remove("timeout")
        assert await client.rest() == b""
        assert await server.rest() == b""

    async def test_removal_closes_even_spared_connections(self, proxy: Proxied) -> None:
        client, server = await proxy.connect()
        await proxy.add("timeout", {"timeout": FOREVER_MS}, toxicity=0)
        await echoes(client, server)
        await asyncio.to_thread(proxy.api.json, "POST", "/reset")
        assert await client.rest() == b""

    async def test_an_update_restarts_the_timer_and_closes(self, proxy: Proxied) -> None:
        await proxy.add("timeout", {"timeout": 0}, stream="upstream")
        client, _ = await proxy.connect()
        assert await client.is_silent(0.1)
        await proxy.update("timeout", {"timeout": 1})
        assert await client.rest() == b""


class TestResetPeer:
    @pytest.mark.parametrize("stream", ["upstream", "downstream"])
    async def test_new_connections_end_with_a_reset_at_their_first_data(self, proxy: Proxied, stream: str) -> None:
        await proxy.add("reset_peer", {"timeout": 0}, stream=stream)
        client, server = await proxy.connect()
        assert await client.is_silent(0.1)
        await (client if stream == "upstream" else server).send(b"lost")
        with pytest.raises(ConnectionResetError):
            await client.rest()
        with pytest.raises(ConnectionResetError):
            await server.rest()

    async def test_older_connections_end_with_a_plain_close(self, proxy: Proxied) -> None:
        client, server = await proxy.connect()
        await echoes(client, server)
        await proxy.add("reset_peer", {"timeout": 0})
        await server.send(b"lost")
        assert await client.rest() == b""

    async def test_the_reset_comes_after_the_timeout(self, proxy: Proxied) -> None:
        await proxy.add("reset_peer", {"timeout": 300})
        client, server = await proxy.connect()
        started = monotonic()
        await server.send(b"lost")
        with pytest.raises(ConnectionResetError):
            await client.rest()
        assert monotonic() - started >= 0.3 - RESOLUTION_SECONDS

    async def test_a_normal_end_of_a_spared_connection_is_a_reset_too(self, proxy: Proxied) -> None:
        await proxy.add("reset_peer", toxicity=0)
        client, server = await proxy.connect()
        await echoes(client, server)
        server.close()
        with pytest.raises(ConnectionResetError):
            await client.rest()


class TestSlicer:
    async def test_pieces_have_about_the_size_and_are_apart(self, proxy: Proxied) -> None:
        await proxy.add("slicer", {"average_size": 100, "size_variation": 20, "delay": 20_000})
        client, server = await proxy.connect()
        started = monotonic()
        await server.send(b"x" * 600)
        count = 0
        while count < 600:
            async with asyncio.timeout(WITHIN_SECONDS):
                count += len(await client.reader.read(65536))
            # Who reads late finds several pieces at once, but never more than have been sent by then.
            most = 1 + (monotonic() - started + RESOLUTION_SECONDS) / (0.02 - RESOLUTION_SECONDS)
            assert count <= 120 * most
        assert monotonic() - started >= 0.06

    async def test_removal_sends_the_rest_at_once(self, proxy: Proxied) -> None:
        await proxy.add("slicer", {"average_size": 1, "delay": FOREVER_MS * 1000})
        client, server = await proxy.connect()
        await server.send(b"abcdefgh")
        assert await client.receive(1) == b"a"
        assert await client.is_silent()
        await proxy.remove("slicer")
        assert await client.receive(7) == b"bcdefgh"


class TestLimitData:
    async def test_after_the_limit_both_sides_are_closed(self, proxy: Proxied) -> None:
        await proxy.add("limit_data", {"bytes": 5})
        client, server = await proxy.connect()
        await server.send(b"abc")
        assert await client.receive(3) == b"abc"
        await server.send(b"defg")
        assert await client.rest() == b"de"
        assert await server.rest() == b""

    @pytest.mark.parametrize("limit", [0, -3])
    async def test_with_a_limit_of_zero_nothing_passes(self, proxy: Proxied, limit: int) -> None:
        await proxy.add("limit_data", {"bytes": limit})
        client, server = await proxy.connect()
        assert await client.is_silent(0.1)
        await server.send(b"abc")
        assert await client.rest() == b""

    async def test_the_count_continues_after_an_update(self, proxy: Proxied) -> None:
        await proxy.add("limit_data", {"bytes": 100})
        client, server = await proxy.connect()
        await server.send(b"abc")
        assert await client.receive(3) == b"abc"
        await proxy.update("limit_data", {"bytes": 5})
        await server.send(b"defg")
        assert await client.rest() == b"de"


class TestToxicity:
    async def silent(self, clients: list[Side]) -> list[bool]:
        """Tell of each whether its byte is held; those of four have arrived then, however slow this machine is."""
        receiving = [asyncio.create_task(client.receive(1)) for client in clients]

        async def four_have_arrived() -> bool:
            return sum(one.done() for one in receiving) >= 4

        await until(four_have_arrived, "four bytes arrive")
        await asyncio.wait(receiving, timeout=0.5)
        held = [not one.done() for one in receiving]
        for one in receiving:
            one.cancel()
        await asyncio.gather(*receiving, return_exceptions=True)
        return held

    async def test_it_is_drawn_for_each_connection_and_stays(self, proxy: Proxied) -> None:
        await proxy.add("latency", {"latency": FOREVER_MS}, toxicity=0.5)
        pairs = [await proxy.connect() for _ in range(40)]
        for _, server in pairs:
            await server.send(b"x")
        silent = await self.silent([client for client, _ in pairs])
        assert 4 <= sum(silent) <= 36
        for (client, server), was_silent in zip(pairs, silent, strict=True):
            if not was_silent:
                await server.send(b"y")
                assert await client.receive(1) == b"y"

    async def test_an_update_draws_again(self, proxy: Proxied) -> None:
        await proxy.add("latency", {"latency": FOREVER_MS}, toxicity=0)
        client, server = await proxy.connect()
        await echoes(client, server)
        await proxy.update("latency", {}, toxicity=1)
        await server.send(b"x")
        assert await client.is_silent()

    async def test_a_new_neighbour_draws_again(self, proxy: Proxied) -> None:
        await proxy.add("latency", {"latency": FOREVER_MS}, toxicity=0.5)
        pairs = [await proxy.connect() for _ in range(30)]
        for _, server in pairs:
            await server.send(b"x")
        before = await self.silent([client for client, _ in pairs])
        await proxy.add("noop")
        for client, was_silent in zip((client for client, _ in pairs), before, strict=True):
            if was_silent:
                await client.receive(1)
        for _, server in pairs:
            await server.send(b"y")
        after = await self.silent([client for client, _ in pairs])
        assert before != after


async def test_toxics_come_and_go_while_data_flows_and_no_byte_is_lost(proxy: Proxied) -> None:
    client, server = await proxy.connect()
    data = os.urandom(4_000_000)

    async def disturb() -> None:
        for _ in range(6):
            await proxy.add("latency", {"latency": 2})
            await proxy.add("slicer", {"average_size": 5000, "size_variation": 100})
            await proxy.add("noop")
            await proxy.update("latency", {"latency": 1})
            await proxy.remove("slicer")
            await proxy.add("bandwidth", {"rate": 100_000})
            await proxy.remove("latency")
            await proxy.remove("noop")
            await proxy.remove("bandwidth")

    _, received, _ = await asyncio.gather(server.send(data), client.receive(len(data)), disturb())
    assert received == data


async def test_a_client_that_does_not_read_makes_the_sender_wait(proxy: Proxied) -> None:
    client, server = await proxy.connect()
    client.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await _send_much(server)


async def _send_much(side: Side) -> None:
    for _ in range(64):
        side.writer.write(b"x" * 1_000_000)
        await side.writer.drain()
