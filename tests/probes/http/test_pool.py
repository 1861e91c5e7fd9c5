"""A pool keeps connections as long as they are usable, and no longer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import startable
from alertdrill.probes.http.origin import Origin
from alertdrill.probes.http.pool import Pool, PoolLimits
from alertdrill.probes.outcome import Outcome, Reason
from tests.probes.hostile_server import (
    GOOD,
    HostileServer,
    answers,
    closed_port,
    holds_behind,
    is_early,
    is_silent,
    open_files,
    read_request,
    then_closes,
)
from tests.probes.meeting import LOOPS, eventually, on_loop, probe, transact

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
Ended = tuple[Reason | None, str]


@asynccontextmanager
async def pool_to(
    port: int, *, look_up: Callable[[str], Awaitable[list[str]]] | None = None, host: str = "127.0.0.1", **limits: float
) -> AsyncIterator[Callable[[], Awaitable[Ended]]]:
    """Open a pool, and yield a function that makes one exchange."""
    options = {} if look_up is None else {"look_up": look_up}
    given = PoolLimits(**{"timeout_seconds": 30.0, "idle_seconds": 60.0} | limits)
    async with asyncio.TaskGroup() as tasks:
        pool = Pool(Origin(host, port), given, tasks, reads=True, **options)

        async def exchange() -> Ended:
            ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
            pool.send(REQUEST, lambda exchange, reason: ended.set_result((reason, exchange.detail)))
            async with asyncio.timeout(60):
                return await ended

        async with pool.opened():
            yield exchange


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
def test_a_stopped_server_refuses_and_may_come_back(client: str) -> None:
    async def main() -> None:
        down = contextlib.ExitStack()
        taken = down.enter_context(closed_port())
        settings = probe(taken, client=client)
        async with open_client(settings) as opened, startable(opened) as ours:
            (outcome,) = await transact(ours)
            assert (outcome.reason, outcome.detail) == ("refused", f"127.0.0.1:{taken} refused the connection")
            # No connection is free again before there are three, so none can be used twice.
            gate = threading.Event()
            down.close()
            with HostileServer(*[holds_behind(gate)] * 3, port=taken) as server:
                outcomes = asyncio.ensure_future(transact(ours, 3))
                await eventually(lambda: server.accepted == 3)
                gate.set()
                assert await outcomes == [Outcome()] * 3
                assert server.accepted == 3

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
def test_ipv6_addresses_work(client: str) -> None:
    async def main() -> None:
        with HostileServer(host="::1") as server:
            async with (
                open_client(probe(server.port, host="[::1]", client=client)) as opened,
                startable(opened) as ours,
            ):
                assert await transact(ours, 2) == [Outcome()] * 2
            assert b"Host: [::1]:%d\r\n" % server.port in server.requests[0]
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
@pytest.mark.parametrize("host", ["closed_port.invalid", "a" * 64 + ".invalid"])
def test_an_unresolvable_name_is_in_the_detail(client: str, host: str) -> None:
    async def main() -> None:
        settings = probe(80, host=host, client=client, timeout="30s")
        async with open_client(settings) as opened, startable(opened) as ours:
            (outcome,) = await transact(ours)
        assert outcome.reason == "unreachable", outcome
        assert (host if client == "lean" else "") in outcome.detail

    on_loop("uvloop", main)


@pytest.mark.parametrize("loop", LOOPS)
def test_when_the_first_address_refuses_the_second_is_used(loop: str) -> None:
    async def main() -> None:
        async def both(_: str) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        with HostileServer() as server:
            async with pool_to(server.port, look_up=both) as exchange:
                assert await asyncio.gather(*(exchange() for _ in range(4))) == [(None, "")] * 4
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_when_the_first_address_is_silent_the_second_is_used_after_the_connect_timeout(loop: str) -> None:
    """A listener with a full queue neither accepts nor refuses."""

    async def main() -> None:
        async def both(_: str) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        with contextlib.ExitStack() as stack:
            server = stack.enter_context(HostileServer())
            full = stack.enter_context(socket.create_server(("127.0.0.2", server.port), backlog=0))
            for one in (stack.enter_context(socket.socket()) for _ in range(3)):
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            async with pool_to(server.port, look_up=both, connect_seconds=2.0) as exchange:
                # The loop's timers go by its own clock, which stands still while it works.
                clock = asyncio.get_running_loop().time
                started = clock()
                assert await exchange() == (None, "")
                assert round(clock() - started, 3) >= 2.0
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


def test_new_addresses_are_used_and_old_ones_kept_when_a_name_vanishes() -> None:
    async def main() -> None:
        addresses = {"shop": ["127.0.0.1"]}

        async def look_up(host: str) -> list[str]:
            if host not in addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return addresses[host]

        with HostileServer() as old, HostileServer(host="127.0.0.2", port=old.port) as new:
            async with pool_to(old.port, look_up=look_up, host="shop", resolve_seconds=0.01) as exchange:
                unconnected = open_files()
                assert await exchange() == (None, "")
                addresses["shop"] = ["127.0.0.2"]
                await asyncio.sleep(0.05)
                old.close_connections()
                await eventually(lambda: open_files() <= unconnected)
                assert await exchange() == (None, "")
                del addresses["shop"]
                new.close_connections()
                await eventually(lambda: open_files() <= unconnected)
                assert await exchange() == (None, "")
            assert (old.accepted, new.accepted) == (1, 2)
            await eventually(lambda: new.open_connections == 0)

    on_loop("uvloop", main)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_before_the_request_is_an_outcome_at_once(loop: str) -> None:
    """The reason depends on whether the answer came before the request was sent."""

    async def main() -> None:
        with HostileServer(*[is_early] * 50) as server:
            async with pool_to(server.port) as exchange:
                ended = await asyncio.gather(*(exchange() for _ in range(50)))
            assert {reason for reason, _ in ended} <= {None, "bad_answer"}
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_closed_when_opened_are_resets_at_once(loop: str) -> None:
    async def main() -> None:
        with HostileServer(*[then_closes(lambda _: None)] * 100) as server:
            async with pool_to(server.port) as exchange:
                ended = await asyncio.gather(*(exchange() for _ in range(100)))
                assert {reason for reason, _ in ended} == {"reset"}
                assert await exchange() == (None, "")
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_idle_connection_with_unexpected_bytes_or_an_end_is_not_reused(loop: str) -> None:
    async def main() -> None:
        says_more, ends = answers(GOOD, GOOD, every_seconds=0.05), then_closes(answers(GOOD))
        with HostileServer(says_more, ends) as server:
            async with pool_to(server.port) as exchange:
                unconnected = open_files()
                for left in (1, 0):
                    assert await exchange() == (None, "")
                    await eventually(lambda: open_files() <= unconnected)
                    assert server.accepted == 2 - left
                assert await exchange() == (None, "")
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


def test_a_connection_is_closed_when_it_has_been_idle_for_too_long() -> None:
    async def main() -> None:
        with HostileServer() as server:
            async with pool_to(server.port, idle_seconds=2.0) as exchange:
                began = time.monotonic()
                await asyncio.gather(exchange(), exchange())
                await eventually(lambda: server.open_connections == 0)
                assert server.accepted == 2
                assert time.monotonic() - began >= 2.0
                assert await exchange() == (None, "")

    on_loop("uvloop", main)


@pytest.mark.parametrize("loop", LOOPS)
def test_after_a_stall_answers_in_time_count_and_stale_connections_are_closed(loop: str) -> None:
    """The process sleeps longer than both limits, while the server answers one exchange and closes the other connection."""

    async def main() -> None:
        was_asked = threading.Event()

        def answers_in_the_stall(connection: socket.socket) -> None:
            read_request(connection)
            was_asked.set()
            time.sleep(0.3)
            connection.sendall(GOOD)

        with HostileServer(answers_in_the_stall, then_closes(answers(GOOD))) as server:
            async with pool_to(server.port, timeout_seconds=1.2, idle_seconds=0.8) as exchange:
                answered = asyncio.ensure_future(exchange())
                await eventually(was_asked.is_set)
                time.sleep(2.0)  # noqa: ASYNC251 - this is the stall
                assert await answered == (None, "")
                assert await exchange() == (None, "")
                time.sleep(1.2)  # noqa: ASYNC251 - a second stall, between two exchanges
                assert await exchange() == (None, "")
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_exchanges_wait_for_a_connection_in_order(loop: str) -> None:
    async def main() -> None:
        slow = answers(*[GOOD[:30], GOOD[30:]], every_seconds=0.05)
        with HostileServer(slow) as server:
            async with pool_to(server.port, max_connections=1) as exchange:
                order: list[int] = []

                async def one(number: int) -> Ended:
                    ended = await exchange()
                    order.append(number)
                    return ended

                assert await asyncio.gather(*(one(number) for number in range(20))) == [(None, "")] * 20
            assert server.accepted == 1
            assert order == sorted(order)
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


def test_an_exchange_that_times_out_in_the_queue_frees_no_connection() -> None:
    async def main() -> None:
        with HostileServer(is_silent, is_silent) as server:
            async with pool_to(server.port, max_connections=1, timeout_seconds=4.0) as exchange:
                first = asyncio.ensure_future(exchange())
                # So much time has the second one, when the first one has ended, until it is sent.
                await asyncio.sleep(3.0)
                second = asyncio.ensure_future(exchange())
                assert await first == ("timeout", "no answer within 4 s")
                assert await second == ("timeout", "no answer within 4 s")
                blocked, third = asyncio.ensure_future(exchange()), asyncio.ensure_future(exchange())
                assert await blocked == await third == (None, "")
            assert server.accepted == 3
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


def test_broken_connections_make_room_for_new_ones() -> None:
    async def main() -> None:
        with HostileServer(*[then_closes(answers())] * 10) as server:
            async with pool_to(server.port, max_connections=3) as exchange:
                ended = await asyncio.gather(*(exchange() for _ in range(30)))
            assert [reason for reason, _ in ended].count("reset") == 10
            assert [reason for reason, _ in ended].count(None) == 20
            assert server.accepted <= 13
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
def test_a_process_without_free_files_reports_that_and_recovers(client: str) -> None:
    """In a process of its own, whose limit of open files is reached."""
    code = f"import tests.probes.http.test_pool as here; here.run_out_of_files({client!r})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr


def all_files_there_are() -> list[int]:
    """Open files until the limit is reached."""
    kept: list[int] = []
    with contextlib.suppress(OSError):
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    return kept


def run_out_of_files(client: str) -> None:
    """Open all files, make a request, and close them again."""

    async def main() -> None:
        with HostileServer() as server:
            settings = probe(server.port, client=client, timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (len(open_files()) + 3, hard))
                kept = all_files_there_are()
                outcomes = await transact(ours, 5)
                assert {outcome.reason for outcome in outcomes} == {"unreachable"}, outcomes
                assert all("ulimit -n" in outcome.detail for outcome in outcomes)
                resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
                for one in kept:
                    os.close(one)
                assert await transact(ours, 5) == [Outcome()] * 5
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)
