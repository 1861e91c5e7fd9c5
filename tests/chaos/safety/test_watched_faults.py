"""The watchdog undoes faults that have a holder, and faults of a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import KilledAgent
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.waiting import until


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running


async def is_removed(ledger: Path) -> bool:
    contents = Ledger(ledger).read()
    return not contents.entries and not contents.unreadable


@pytest.mark.parametrize("what", [{"action": "lock", "table": "watched"}, {"action": "fill_pool", "connections": 3}])
async def test_connections_are_ended(server: PostgresServer, tmp_path: Path, what: dict[str, str | int]) -> None:
    witness = await server.connect()
    await witness.execute("CREATE TABLE IF NOT EXISTS watched ()")
    url, password = f"postgresql://postgres@{server.address}/postgres", str(server.password_file)
    postgres = {"kind": "postgres", "url": url, "password_file": password} | what
    agent = await KilledAgent.in_a_thread(tmp_path, postgres, watched=True)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'alertdrill-%'"
    assert await witness.fetchval(ours) > 0
    agent.kill()
    await until(lambda: is_removed(tmp_path), "the watchdog undoes it")
    assert await witness.fetchval(ours) == 0
    await witness.close()


async def test_the_end_of_a_command_is_run(tmp_path: Path) -> None:
    broken, ledger = tmp_path / "broken", tmp_path / "ledger"
    begin, end = {"run": ["touch", str(broken)]}, {"run": ["rm", "-f", str(broken)]}
    agent = KilledAgent(ledger, {"kind": "command", "begin": begin, "end": end}, watched=True)
    assert broken.exists()
    agent.kill()
    await until(lambda: is_removed(ledger), "the watchdog undoes it")
    assert not broken.exists()
