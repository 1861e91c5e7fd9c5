"""A pool keeps connections for as long as they are good, and no longer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import startable
from alertdrill.probes.http.origin import Origin
from alertdrill.probes.http.pool import Limits, Pool
from alertdrill.probes.outcome import Outcome, Reason
from tests.probes.hostile_server import (
    GOOD,
    HostileServer,
    answers,
    descriptors,
    is_early,
    is_silent,
    nobody,
    then_closes,
)
from tests.probes.meeting import LOOPS, eventually, on_loop, probe, transact

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
Ended = tuple[Reason | None, str]


@asynccontextmanager
async def pool_to(
    port: int, *, look_up: Callable[[str], Awaitable[list[str]]] | None = None, host: str = "127.0.0.1", **limits: float
) -> AsyncIterator[Callable[[], Awaitable[Ended]]]:
    """Open a pool, and yield a function that makes an exchange on it."""
    told = {} if look_up is None else {"look_up": look_up}
    async with asyncio.TaskGroup() as tasks:
        pool = Pool(Origin(host, port), Limits(**{"timeout_seconds": 2.0} | limits), tasks, reads=True, **told)

        async def exchange() -> Ended:
            ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
            pool.send(REQUEST, lambda exchange, reason: ended.set_result((reason, exchange.detail)))
            return await asyncio.wait_for(ended, 5)

        async with pool.opened():
            yield exchange


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
def test_a_server_that_is_not_there_refuses_and_may_come_back(client: str) -> None:
    async def main() -> None:
        with nobody() as port:
            taken = port
        settings = probe(taken, client=client)
        async with open_client(settings) as opened, startable(opened) as ours:
            (outcome,) = await transact(ours)
            assert (outcome.reason, outcome.detail) == ("refused", f"127.0.0.1:{taken} refused the connection")
            with HostileServer(port=taken) as server:
                assert await transact(ours, 3) == [Outcome()] * 3
                assert server.accepted == 3

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
def test_an_address_of_ipv6_is_an_address(client: str) -> None:
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
@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 64 + ".invalid"])
def test_a_name_that_does_not_resolve_is_told_by_name(client: str, host: str) -> None:
    async def main() -> None:
        settings = probe(80, host=host, client=client, timeout="5s")
        async with open_client(settings) as opened, startable(opened) as ours:
            (outcome,) = await transact(ours)
        assert outcome.reason == "unreachable", outcome
        assert (host if client == "lean" else "") in outcome.detail

    on_loop("uvloop", main)


@pytest.mark.parametrize("loop", LOOPS)
def test_when_the_first_address_refuses_the_second_is_taken(loop: str) -> None:
    async def main() -> None:
        async def both(_: str) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        with HostileServer() as server:
            async with pool_to(server.port, look_up=both) as exchange:
                assert await asyncio.gather(*(exchange() for _ in range(4))) == [(None, "")] * 4
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_when_the_first_address_is_silent_the_second_is_taken_after_the_connect_timeout(loop: str) -> None:
    """A listener whose queue is full does not even refuse."""

    async def main() -> None:
        async def both(_: str) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        with HostileServer() as server, socket.create_server(("127.0.0.2", server.port), backlog=0) as full:
            queued = [socket.socket() for _ in range(3)]
            for one in queued:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            async with pool_to(server.port, look_up=both, connect_seconds=0.2) as exchange:
                started = time.monotonic()
                assert await exchange() == (None, "")
                assert time.monotonic() - started >= 0.2
            for one in queued:
                one.close()
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


def test_a_name_that_moves_is_followed_and_one_that_vanishes_is_remembered() -> None:
    async def main() -> None:
        addresses = {"shop": ["127.0.0.1"]}

        async def look_up(host: str) -> list[str]:
            if host not in addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return addresses[host]

        with HostileServer() as old, HostileServer(host="127.0.0.2", port=old.port) as new:
            async with pool_to(old.port, look_up=look_up, host="shop", resolve_seconds=0.01) as exchange:
                unconnected = descriptors()
                assert await exchange() == (None, "")
                addresses["shop"] = ["127.0.0.2"]
                await asyncio.sleep(0.05)
                old.close_connections()
                await eventually(lambda: descriptors() == unconnected)
                assert await exchange() == (None, "")
                del addresses["shop"]
                new.close_connections()
                await eventually(lambda: descriptors() == unconnected)
                assert await exchange() == (None, "")
            assert (old.accepted, new.accepted) == (1, 2)
            await eventually(lambda: new.open_connections == 0)

    on_loop("uvloop", main)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_early_answer_is_no_answer_or_the_answer_but_never_a_silence(loop: str) -> None:
    """Which of the two depends on whether it came before the request left."""

    async def main() -> None:
        with HostileServer(*[is_early] * 50) as server:
            async with pool_to(server.port) as exchange:
                ended = await asyncio.gather(*(exchange() for _ in range(50)))
            assert {reason for reason, _ in ended} <= {None, "bad_answer"}
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_many_connections_closed_at_birth_are_resets_at_once(loop: str) -> None:
    async def main() -> None:
        with HostileServer(*[then_closes(lambda _: None)] * 100) as server:
            async with pool_to(server.port) as exchange:
                ended = await asyncio.gather(*(exchange() for _ in range(100)))
                assert {reason for reason, _ in ended} == {"reset"}
                assert await exchange() == (None, "")
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_idle_connection_that_speaks_or_ends_is_not_used_again(loop: str) -> None:
    async def main() -> None:
        says_more, ends = answers(GOOD, GOOD, every_seconds=0.05), then_closes(answers(GOOD))
        with HostileServer(says_more, ends) as server:
            async with pool_to(server.port) as exchange:
                unconnected = descriptors()
                for left in (1, 0):
                    assert await exchange() == (None, "")
                    await eventually(lambda: descriptors() == unconnected)
                    assert server.accepted == 2 - left
                assert await exchange() == (None, "")
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


def test_a_connection_is_closed_when_it_has_been_idle_for_too_long() -> None:
    async def main() -> None:
        with HostileServer() as server:
            async with pool_to(server.port, idle_seconds=0.1) as exchange:
                await asyncio.gather(exchange(), exchange())
                assert server.open_connections == 2
                await eventually(lambda: server.open_connections == 0)
                assert await exchange() == (None, "")

    on_loop("uvloop", main)


@pytest.mark.parametrize("loop", LOOPS)
def test_after_a_stall_answers_that_came_meanwhile_count_and_stale_connections_do_not(loop: str) -> None:
    """The process sleeps past time limit and idle time, while the server answers one exchange and closes the other."""

    async def main() -> None:
        with HostileServer(answers(GOOD), then_closes(answers(GOOD))) as server:
            async with pool_to(server.port, timeout_seconds=0.3, idle_seconds=0.2) as exchange:
                answered = asyncio.ensure_future(exchange())
                await eventually(lambda: server.accepted == 1)
                time.sleep(0.5)  # noqa: ASYNC251 - this is the stall
                assert await answered == (None, "")
                assert await exchange() == (None, "")
                time.sleep(0.3)  # noqa: ASYNC251 - and another, between two exchanges
                assert await exchange() == (None, "")
            await eventually(lambda: server.open_connections == 0)

    on_loop(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_bound_on_connections_makes_exchanges_wait_in_order(loop: str) -> None:
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


def test_what_waits_for_a_connection_times_out_and_frees_no_place() -> None:
    async def main() -> None:
        with HostileServer(is_silent, is_silent) as server:
            async with pool_to(server.port, max_connections=1, timeout_seconds=0.2) as exchange:
                first = asyncio.ensure_future(exchange())
                await asyncio.sleep(0.1)
                second = asyncio.ensure_future(exchange())
                assert await first == ("timeout", "no answer within 0.2 s")
                assert await second == ("timeout", "no answer within 0.2 s")
                blocked, third = asyncio.ensure_future(exchange()), asyncio.ensure_future(exchange())
                assert await blocked == await third == (None, "")
            assert server.accepted == 3
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


def test_a_bound_does_not_outlive_connections_that_break() -> None:
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
def test_without_files_to_open_outcomes_say_so_and_it_passes(client: str) -> None:
    """In a process of its own, which may open no more files than it has."""
    code = f"import tests.probes.http.test_pool as here; here.run_out_of_files({client!r})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr


def all_files_there_are() -> list[int]:
    """Open files until there may be no more."""
    kept: list[int] = []
    with contextlib.suppress(OSError):
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    return kept


def run_out_of_files(client: str) -> None:
    """Use up all files, meet the limit, and free them again."""

    async def main() -> None:
        with HostileServer() as server:
            settings = probe(server.port, client=client, timeout="10s")
            async with open_client(settings) as opened, startable(opened) as ours:
                _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 2, hard))
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
