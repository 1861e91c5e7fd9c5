from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.outcome import Outcome
from tests.probes.steady_clock import SteadyClock
from tests.support.waiting import until

Probing = Callable[..., Awaitable[Outcome]]
STUCK = "SELECT pg_sleep(600) AS stuck"
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"


async def ask(databases: Any, query: str, *arguments: str) -> Any:
    connection = await asyncpg.connect(databases.postgres, password=databases.password)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("settings", "failed"),
    [
        ({}, ()),
        ({"query": "CREATE TEMPORARY TABLE IF NOT EXISTS t ()"}, ()),
        ({"query": "SELECT generate_series(1, 3)", "rows": 3, "value": 1}, ()),
        ({"query": "SELECT 3.00", "value": 3}, ()),
        ({"query": "SELECT true", "value": True}, ()),
        ({"query": "SELECT NULL", "value": {"matches": "^null$"}}, ()),
        ({"query": "SELECT 'ready'::text, 7", "value": "ready"}, ()),
        ({"query": "SELECT 7", "value": {"at_most": 6.5}}, ("value is at most 6.5",)),
        ({"query": "SELECT 7", "rows": {"at_least": 2}, "value": 8}, ("row count is at least 2", "value equals 8")),
        ({"query": "SELECT 7 WHERE false", "value": 7}, ("value equals 7",)),
        ({"query": "SELECT", "rows": 1, "value": 7}, ("value equals 7",)),
    ],
)
async def test_rows_and_first_value_are_compared(
    outcome_of: Probing, databases: Any, settings: dict[str, Any], failed: tuple[str, ...]
) -> None:
    outcome = await outcome_of(kind="postgres", url=databases.postgres, password=databases.password, **settings)
    assert (outcome.reason, outcome.failed_checks) == ("check" if failed else None, failed), outcome.detail


async def test_an_unexpected_value_is_quoted(outcome_of: Probing, databases: Any) -> None:
    outcome = await outcome_of(
        kind="postgres", url=databases.postgres, password=databases.password, query="SELECT 'late'::text", value="ready"
    )
    assert outcome.detail == "value is 'late', expected one that equals ready"


@pytest.mark.parametrize(
    ("settings", "reason", "detail"),
    [
        ({"query": "SELEC 1"}, "bad_answer", 'syntax error at or near "SELEC"'),
        ({"query": "SELECT 1; SELECT 2"}, "bad_answer", "cannot insert multiple commands"),
        ({"password": "wrong"}, "bad_answer", 'password authentication failed for user "postgres"'),
        ({"query": STUCK, "timeout": "3s"}, "timeout", "no answer within 3 s"),
        ({"query": "SELECT pg_terminate_backend(pg_backend_pid())"}, "reset", "terminating connection"),
        ({"tls": {}}, "tls", "rejected SSL upgrade"),
        ({"url": "postgresql://nowhere.invalid"}, "unreachable", "name cannot be resolved"),
    ],
)
async def test_a_query_that_fails_is_an_outcome_with_its_reason(
    outcome_of: Probing, databases: Any, settings: dict[str, Any], reason: str, detail: str
) -> None:
    account = {"url": databases.postgres, "password": databases.password}
    outcome = await outcome_of(kind="postgres", value=1, **account | settings)
    assert (outcome.reason, outcome.failed_checks) == (reason, ("value equals 1",))
    assert detail in outcome.detail


async def test_a_closed_port_is_refused(outcome_of: Probing, closed_address: str) -> None:
    port = closed_address.partition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        assert (await outcome_of(kind="postgres", url=f"postgresql://{host}:{port}")).reason == "refused"


async def test_a_server_without_free_connections_refuses(outcome_of: Probing, databases: Any) -> None:
    await ask(databases, "CREATE ROLE crowded LOGIN PASSWORD 'hush' CONNECTION LIMIT 0")
    url = databases.postgres.replace("postgres@", "crowded@")
    outcome = await outcome_of(kind="postgres", url=url, password="hush")  # noqa: S106 - made here
    await ask(databases, "DROP ROLE crowded")
    assert outcome.reason == "refused"
    assert "too many connections" in outcome.detail


async def test_a_silent_server_is_a_timeout(outcome_of: Probing, serving: Any) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async with serving(wait) as address:
        outcome = await outcome_of(kind="postgres", url=f"postgresql://{address}", timeout="200ms")
    assert outcome.reason == "timeout"


async def test_a_query_that_timed_out_is_cancelled_and_its_connection_reused(
    read: Callable[..., Any], databases: Any
) -> None:
    probe = read(
        kind="postgres",
        url=databases.postgres,
        password=databases.password,
        query=STUCK,
        timeout="2s",
        pool_size=1,
    )
    async with open_client(probe) as client:

        async def arrives() -> bool:
            """Return whether a query reached the server: on a busy machine its time may be over before."""
            trying, has_arrived = asyncio.ensure_future(client.transact()), False
            while not has_arrived and not trying.done():
                has_arrived = bool(await ask(databases, RUNNING, STUCK))
            assert (await trying).reason == "timeout"
            return has_arrived

        async def is_cancelled() -> bool:
            return not await ask(databases, RUNNING, STUCK)

        for _ in range(2):
            # A wait for a connection would be a timeout as well, so the server is asked whether the query arrived.
            await until(arrives, "the query is at the server")
            await until(is_cancelled, "the query is cancelled there")


async def test_transactions_waiting_for_a_connection_are_in_flight_and_delay_no_other(
    read: Callable[..., Any], databases: Any
) -> None:
    """A lock keeps two connections waiting; thirty queries are due within a second, and all of them are sent."""
    query, clock = "SELECT pg_advisory_xact_lock_shared(30)", SteadyClock()
    account = {"url": databases.postgres, "password": databases.password}
    locking = await asyncpg.connect(databases.postgres, password=databases.password)
    await locking.execute("SELECT pg_advisory_lock(30)")
    async with open_client(read(kind="postgres", query=query, pool_size=2, timeout="60s", **account)) as client:
        load = Load(client, LoadPlan(ConstantArrivals(30.0, 1.0)), clock=clock)
        running = asyncio.ensure_future(load.run())

        async def all_wait() -> bool:
            return clock() - load.began > 3 and await ask(databases, RUNNING, query) >= 2

        await until(all_wait, "two queries are at the server, two seconds after the last one was due")
        at_most = await ask(databases, RUNNING, query)
        await locking.close()
        await running
    tally = load.tally
    assert (tally.due, tally.dropped, tally.failed) == (30, 0, 0)
    assert tally.most_in_flight == 30
    assert at_most == 2
    # All of them waited for the lock or for a connection, and that time counts.
    assert tally.latencies.percentile_seconds(1) > 1.5


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"url": "postgresql://u:hush@a"}, "has a password in it, expected password or password_file"),
        ({"url": "mysql://a"}, "is not a URL of this kind, expected postgresql://host or postgres://host"),
        ({"url": "postgresql://a?sslmode=require"}, "has something after the path"),
        ({"url": "postgresql://a", "tls": {"server_name": "b"}}, "tls has a server_name, which asyncpg cannot use"),
        ({"url": "postgresql://a", "rows": {}}, "expects nothing, expected a value, or one of equals"),
        ({"url": "postgresql://a", "pool_size": 0}, "pool_size"),
    ],
)
def test_inconsistent_settings_are_refused(read: Callable[..., Any], settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(kind="postgres", **settings)
    assert expected in str(refused.value)


def test_a_password_in_a_url_is_not_printed(read: Callable[..., Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        read(kind="postgres", url="postgresql://u:hush@a")
    assert "hush" not in "".join(error["msg"] for error in refused.value.errors())


def test_a_password_is_never_printed(read: Callable[..., Any]) -> None:
    probe = read(kind="postgres", url="postgresql://a", password="hush")  # noqa: S106 - made here
    assert "hush" not in repr(probe) + probe.model_dump_json()
