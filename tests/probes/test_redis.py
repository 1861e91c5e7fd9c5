from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError
from redis.asyncio import Redis as Server

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.outcome import Outcome
from tests.probes.steady_clock import SteadyClock
from tests.support.waiting import until

Probing = Callable[..., Awaitable[Outcome]]


@pytest_asyncio.fixture
async def server(databases: Any) -> AsyncIterator[Any]:
    """A plain client of the real Redis, which is empty."""
    client = Server.from_url(databases.redis)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.mark.parametrize(
    ("settings", "failed"),
    [
        ({}, ()),
        ({"command": "ping"}, ()),
        ({"command": "GET a"}, ()),
        ({"command": "GET a", "reply": "nil"}, ()),
        ({"command": ["SET", "b", "two words"], "reply": "OK"}, ()),
        ({"command": "ECHO 'two words'", "reply": "two words"}, ()),
        ({"command": "LLEN a", "reply": 0}, ()),
        ({"command": ["LRANGE", "a", 0, -1], "reply": "[]"}, ()),
        ({"command": "LLEN a", "reply": {"at_least": 1}}, ("reply is at least 1",)),
        ({"reply": "PANG"}, ("reply equals PANG",)),
    ],
)
@pytest.mark.usefixtures("server")
async def test_a_reply_is_compared_unchanged(
    outcome_of: Probing, databases: Any, settings: dict[str, Any], failed: tuple[str, ...]
) -> None:
    outcome = await outcome_of(kind="redis", url=databases.redis, **settings)
    assert (outcome.reason, outcome.failed_checks) == ("check" if failed else None, failed), outcome.detail


async def test_user_password_and_database_are_those_of_the_file(
    outcome_of: Probing, databases: Any, server: Any
) -> None:
    await server.execute_command("ACL SETUSER drill on >hush ~* +@all")
    url = databases.redis.replace("//", "//drill@") + "/3"
    right = await outcome_of(kind="redis", url=url, password="hush", command="CLIENT INFO", reply={"contains": "db=3"})  # noqa: S106 - made here
    wrong = await outcome_of(kind="redis", url=url, password="hash")  # noqa: S106 - wrong on purpose
    await server.execute_command("ACL DELUSER drill")
    assert right == Outcome()
    assert wrong.reason == "bad_answer"
    assert "invalid username-password pair" in wrong.detail


async def test_ping_expects_pong_by_default(read: Callable[..., Any]) -> None:
    assert read(kind="redis", url="redis://a").check_names == ("reply equals PONG",)
    assert read(kind="redis", url="redis://a", command="GET a").check_names == ()


@pytest.mark.parametrize(
    ("settings", "reason", "detail"),
    [
        ({"command": "NONSENSE"}, "bad_answer", "unknown command 'NONSENSE'"),
        ({"command": "BLPOP a 30", "timeout": "200ms"}, "timeout", "no answer within 0.2 s"),
        ({"command": "CLIENT KILL TYPE normal SKIPME no", "reply": "x"}, "check", "reply is "),
        ({"url": "redis://nowhere.invalid"}, "unreachable", "name cannot be resolved"),
    ],
)
async def test_a_command_that_fails_is_an_outcome_with_its_reason(
    outcome_of: Probing, databases: Any, settings: dict[str, Any], reason: str, detail: str
) -> None:
    outcome = await outcome_of(kind="redis", **{"url": databases.redis} | settings)
    assert outcome.reason == reason
    assert detail in outcome.detail


async def test_a_closed_port_is_refused(outcome_of: Probing, closed_address: str) -> None:
    port = closed_address.partition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        assert (await outcome_of(kind="redis", url=f"redis://{host}:{port}")).reason == "refused"


async def test_a_connection_that_breaks_is_a_reset(outcome_of: Probing, serving: Any) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.readline()

    async with serving(hang_up) as address:
        outcome = await outcome_of(kind="redis", url=f"redis://{address}")
    assert outcome.reason == "reset"


async def test_a_server_of_another_protocol_is_a_bad_answer(outcome_of: Probing, serving: Any) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ESMTP\r\n")
        await reader.read()

    async with serving(greet) as address:
        outcome = await outcome_of(kind="redis", url=f"redis://{address}", timeout="30s")
    assert outcome.reason == "bad_answer"


async def test_tls_is_verified_unless_the_file_says_otherwise(
    outcome_of: Probing, databases: Any, serving: Any, server_context: Any, ca_file: str
) -> None:
    host, port = databases.redis.removeprefix("redis://").split(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_connection(host, port)
        await asyncio.gather(copy(reader, to_redis), copy(from_redis, writer))

    async with serving(relay, server_context()) as address:
        outcome = await outcome_of(kind="redis", url=f"rediss://{address}", tls={"ca_file": ca_file})
        unverified = await outcome_of(kind="redis", url=f"rediss://{address}", tls={"insecure_skip_verify": True})
        untrusted = await outcome_of(kind="redis", url=f"rediss://{address}")
    assert (outcome, unverified, untrusted.reason) == (Outcome(), Outcome(), "tls")


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(1024):
        writer.write(part)
    writer.close()


async def test_a_late_reply_is_never_taken_for_that_of_another_command(
    read: Callable[..., Any], databases: Any, server: Any
) -> None:
    probe = read(kind="redis", url=databases.redis, command="BLPOP late 60", reply="nothing", pool_size=1, timeout="6s")

    async def is_given_up() -> bool:
        return (await server.info("clients"))["blocked_clients"] == 0

    async with open_client(probe) as client:
        assert (await client.transact()).reason == "timeout"
        # Before Redis sees that the client has gone, it would send the value there, and lose it.
        await until(is_given_up, "Redis sees that the client has gone")
        await server.rpush("late", "first")
        assert "first" in (await client.transact()).detail
        await server.rpush("late", "second")
        assert "second" in (await client.transact()).detail


async def test_a_connection_that_the_server_closed_is_opened_again(
    read: Callable[..., Any], databases: Any, server: Any
) -> None:
    async with open_client(read(kind="redis", url=databases.redis, pool_size=1)) as client:
        assert await client.transact() == Outcome()
        await server.client_kill_filter(_type="normal", skipme=True)
        assert await client.transact() == Outcome()


async def test_a_server_that_has_gone_refuses_on_an_open_connection_too(read: Callable[..., Any], serving: Any) -> None:
    async def pong_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_over = False
        while not is_over and (part := await reader.read(1024)):
            is_over = b"PING" in part
            # redis-py sends its own name on a new connection, which needs an answer too.
            writer.write(b"+OK\r\n" * part.count(b"SETINFO") + b"+PONG\r\n" * is_over)

    async with AsyncExitStack() as stack:
        async with serving(pong_once) as address:
            client = await stack.enter_async_context(
                open_client(read(kind="redis", url=f"redis://{address}", pool_size=1))
            )
            assert await client.transact() == Outcome()
        # From outside it cannot be seen that the client has noticed the end of its connection.
        await asyncio.sleep(0.1)
        outcome = await client.transact()
    assert outcome.reason == "refused", outcome.detail


async def test_transactions_waiting_for_a_connection_are_in_flight_and_delay_no_other(
    read: Callable[..., Any], databases: Any, server: Any
) -> None:
    """Two connections wait for a list that is empty; thirty commands are due within a second, and all are sent."""
    clock = SteadyClock()
    probe = read(kind="redis", url=databases.redis, command="BLPOP empty 0", pool_size=2, timeout="60s")
    async with open_client(probe) as client:
        load = Load(client, LoadPlan(ConstantArrivals(30.0, 1.0)), clock=clock)
        running = asyncio.ensure_future(load.run())

        async def all_wait() -> bool:
            return clock() - load.began > 2 and (await server.info("clients"))["blocked_clients"] >= 2

        await until(all_wait, "two commands are at the server, a second after the last one was due")
        at_most = (await server.info("clients"))["blocked_clients"]
        await server.rpush("empty", *range(30))
        await running
    assert (load.tally.due, load.tally.dropped, load.tally.failed) == (30, 0, 0)
    assert load.tally.most_in_flight == 30
    assert at_most == 2


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"url": "redis://a/main"}, "has the database 'main', expected a number such as 0"),
        ({"url": "redis://a", "tls": {}}, "has tls for a plain url, expected rediss://"),
        ({"url": "rediss://a", "tls": {"server_name": "b"}}, "which redis-py cannot use"),
        ({"url": "redis://a", "command": ""}, "command"),
        (
            {"url": "redis://a", "command": "subscribe a"},
            "subscribe changes its connection, which other transactions use too",
        ),
        ({"url": "redis://a", "command": "GET 'a"}, "No closing quotation"),
        ({"url": "redis://:hush@a"}, "has a password in it"),
    ],
)
def test_inconsistent_settings_are_refused(read: Callable[..., Any], settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(kind="redis", **settings)
    assert expected in str(refused.value)
