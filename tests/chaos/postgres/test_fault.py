"""A PostgreSQL server of the test, with connections of other clients as the witnesses."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import KilledAgent, endpoints, fault, holders
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.waiting import until

NAME = "postgres:5432"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        connection = await running.connect()
        await connection.execute('CREATE TABLE accounts (); CREATE TABLE "Odd Name" (); CREATE ROLE guest LOGIN')
        await connection.execute("ALTER ROLE guest PASSWORD 'hush'")
        await connection.close()
        yield running


@pytest.fixture
async def witness(server: PostgresServer) -> AsyncIterator[Any]:
    connection = await server.connect(server_settings={"application_name": "theirs"})
    yield connection
    await connection.close()


@pytest.fixture
def settings(server: PostgresServer) -> dict[str, Any]:
    url, password = f"postgresql://postgres@{NAME}/postgres", str(server.password_file)
    return {"kind": "postgres", "url": url, "password_file": password}


@pytest.fixture
def where(server: PostgresServer) -> dict[str, Any]:
    return {"addresses": {NAME: server.address}, "allowed": [f"kill {NAME}"]}


async def is_locked(witness: Any, table: str = "accounts") -> bool:
    try:
        async with witness.transaction():
            await witness.execute(f"SET LOCAL lock_timeout = 200; SELECT 1 FROM {table}")  # noqa: S608 - a table above
    except asyncpg.LockNotAvailableError:
        return True
    return False


async def ours(witness: Any) -> int:
    count: int = await witness.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'alertdrill-%'"
    )
    return count


async def is_cut(connection: Any) -> bool:
    return bool(connection.is_closed())


@pytest.mark.parametrize("table", ["accounts", "public.accounts", '"Odd Name"'])
async def test_a_table_is_locked_for_the_block(
    witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path, table: str
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with applied(fault(**settings, action="lock", table=table), endpoints(**where), ledger):
        assert await is_locked(witness, table)
        (_,) = ledger.directory.glob("*.json")
        assert not any("hush" in path.read_text() for path in ledger.directory.iterdir())
    assert not await is_locked(witness, table)
    assert holders("alertdrill.chaos.postgres.client") == []


@pytest.mark.parametrize("action", [{"action": "lock", "table": "accounts"}, {"action": "fill_pool", "connections": 3}])
async def test_a_lock_or_connections_that_somebody_ended_are_noticed(
    witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path, action: dict[str, Any]
) -> None:
    held = fault(**settings, **action)
    async with applied(held, endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() == ""
        await witness.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'alertdrill-%' LIMIT 1"
        )
        lost = "PostgreSQL ended a connection that held it, or was restarted"
        await until(lambda: _is(injection.taken_back(), lost), "it is noticed")


async def test_a_holder_that_somebody_killed_is_noticed(
    settings: dict[str, Any], where: dict[str, Any], tmp_path: Path
) -> None:
    held = fault(**settings, action="lock", table="accounts")
    async with applied(held, endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        (holding,) = holders("alertdrill.chaos.postgres.client")
        holding.send(signal.SIGKILL)
        lost = "1 of 1 processes that hold the fault have ended"
        await until(lambda: _is(injection.taken_back(), lost), "it is noticed")


async def test_reading_back_asks_a_full_server_nothing(
    server: PostgresServer, witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path
) -> None:
    """It would refuse each new connection and log that, and a free one is the service's."""
    most = int(await witness.fetchval("SHOW max_connections"))
    pool = fault(**settings, action="fill_pool", connections=most)
    async with applied(pool, endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        refused = _refusals(server)
        for _ in range(20):
            assert await injection.taken_back() == ""
        assert _refusals(server) == refused
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await server.connect()
        assert _refusals(server) == refused + 1


def _refusals(server: PostgresServer) -> int:
    return server.log.read_text().count("FATAL:  sorry, too many clients already")


async def _is(asked: Any, expected: str) -> bool:
    return bool(await asked == expected)


async def test_a_weaker_lock_lets_readers_in(
    witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path
) -> None:
    lock = fault(**settings, action="lock", table="accounts", mode="SHARE")
    async with applied(lock, endpoints(**where), Ledger(tmp_path / "ledger")):
        assert not await is_locked(witness)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await witness.execute("SET lock_timeout = 200; INSERT INTO accounts DEFAULT VALUES")
        await witness.execute("RESET lock_timeout")


async def test_connections_are_taken_for_the_block(
    witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path
) -> None:
    pool = fault(**settings, action="fill_pool", connections=25)
    async with applied(pool, endpoints(**where), Ledger(tmp_path / "ledger")):
        assert await ours(witness) == 25
    assert await ours(witness) == 0


async def test_a_server_that_is_full_before_is_filled_and_freed_again(
    server: PostgresServer, witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path
) -> None:
    most = int(await witness.fetchval("SHOW max_connections"))
    pool = fault(**settings, action="fill_pool", connections=most)
    async with applied(pool, endpoints(**where), Ledger(tmp_path / "ledger")):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await server.connect()
    assert await ours(witness) == 0
    await (await server.connect()).close()


async def test_only_the_matching_connections_are_killed(
    server: PostgresServer, witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path
) -> None:
    victim = await server.connect(server_settings={"application_name": "shop"})
    load = await server.connect(server_settings={"application_name": "alertdrill"})
    meant = {"application_name": "shop", "user": "postgres", "database": "postgres"}
    kill = fault(**settings, action="kill", backends=meant, allow=f"kill {NAME}")
    async with applied(kill, endpoints(**where), Ledger(tmp_path / "ledger")):
        pass
    await until(lambda: is_cut(victim), "the victim's connection ends")
    assert await witness.fetchval("SELECT 1") == 1
    everybody = fault(**settings, action="kill", backends={"database": "postgres"}, allow=f"kill {NAME}")
    async with applied(everybody, endpoints(**where), Ledger(tmp_path / "ledger")):
        pass
    await until(lambda: is_cut(witness), "the witness is of the database too")
    assert await load.fetchval("SELECT 1") == 1
    await load.close()


@pytest.mark.parametrize("what", [{"action": "lock", "table": "accounts"}, {"action": "fill_pool", "connections": 5}])
async def test_heal_ends_the_holder_of_a_killed_agent(
    witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path, what: dict[str, Any]
) -> None:
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", settings | what, **where)
    assert await ours(witness) > 0
    agent.kill()
    await agent.heal()
    assert await ours(witness) == 0
    assert not await is_locked(witness)
    assert holders("alertdrill.chaos.postgres.client") == []


async def test_a_lock_ends_with_its_agent(
    witness: Any, settings: dict[str, Any], where: dict[str, Any], tmp_path: Path
) -> None:
    lock = settings | {"action": "lock", "table": "accounts"}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", lock, **where)
    agent.kill()

    async def is_free() -> bool:
        return not await is_locked(witness)

    await until(is_free, "the lock is gone without any heal")
    await agent.heal()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"action": "lock", "table": "acounts"}, "the database has no table acounts"),
        ({"action": "fill_pool", "connections": 9999}, "it has 560 connections in all, expected at most that many"),
        (
            {"action": "kill", "backends": {"user": "nobody"}, "allow": f"kill {NAME}"},
            "there is no connection with user 'nobody'",
        ),
        ({"action": "kill", "backends": {"user": "a"}}, "needs `allow: kill postgres:5432` in the drill's fault"),
        (
            {"action": "lock", "table": "accounts", "url": f"postgresql://guest@{NAME}/postgres"},
            "the user guest may not lock accounts: it needs UPDATE or DELETE on it",
        ),
        ({"action": "lock", "table": "a", "password_file": "/no/password"}, "secret in /no/password cannot be read"),
        (
            {"action": "lock", "table": "a", "url": f"postgresql://stranger@{NAME}/postgres"},
            r"PostgreSQL at 127\.0\.0\.1:\d+: password authentication failed",
        ),
    ],
)
async def test_an_impossible_fault_is_refused_before(
    settings: dict[str, Any], where: dict[str, Any], changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(FaultNotApplied, match=told):
        await fault(**settings | changed).resolve(endpoints(**where), "alertdrill-1")


async def test_the_holder_reports_a_later_refusal_of_the_server(
    server: PostgresServer, settings: dict[str, Any], where: dict[str, Any]
) -> None:
    dropping = await server.connect()
    await dropping.execute("CREATE TABLE passing ()")
    injection = await fault(**settings, action="lock", table="passing").resolve(
        endpoints(**where), "alertdrill-refused"
    )
    await dropping.execute("DROP TABLE passing")
    with pytest.raises(FaultNotApplied, match=r"PostgreSQL at 127\.0\.0\.1:\d+: the database has no table passing$"):
        await injection.inject()
    await injection.undo()
    await dropping.close()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"action": "lock"}, "has action lock, which needs table"),
        ({"action": "kill", "backends": {}}, "is empty, expected one of application_name, user and database"),
        ({"action": "lock", "table": "a", "connections": 3}, "has connections, which is for action fill_pool"),
        (
            {"action": "lock", "table": "a", "url": "postgresql://me:hush@db"},
            "has a password in it, expected password or password_file",
        ),
    ],
)
def test_contradictory_settings_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        fault(**{"kind": "postgres", "url": "postgresql://db", **changed})
