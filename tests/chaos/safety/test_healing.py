"""Healing on the real Toxiproxy: the faults of dead owners are undone, and nothing else changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from alertdrill.chaos.safety.healing import HealResult, abandoned, heal_all
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.toxiproxy.down import Down
from alertdrill.lab.server import Server
from tests.support.answering import answering
from tests.support.left_behind import leave, taken_back
from tests.support.toxiproxy_server import toxics, witness


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger", "slow")


async def healed(ledger: Ledger, *, force: bool = False) -> list[HealResult]:
    return [one async for one in heal_all(ledger, abandoned(ledger.read(), force=force))]


async def test_the_fault_of_a_dead_owner_is_undone_for_good(server: Server, ledger: Ledger) -> None:
    witness(server).get_proxy("db").add_toxic(name="theirs", type="latency", attributes={"latency": 5})
    left = {await leave(ledger, server) for _ in range(20)}
    assert {one.entry_id for one in await healed(ledger)} == left
    assert list(toxics(server)) == ["theirs"]
    assert await healed(ledger) == []
    assert [path.name for path in ledger.directory.iterdir()] == ["key"]


async def test_a_living_owner_keeps_its_fault_unless_it_is_taken(server: Server, ledger: Ledger) -> None:
    async with taken_back(ledger, server):
        assert await healed(ledger) == []
        assert len(toxics(server)) == 1
        (one,) = await healed(ledger, force=True)
        assert toxics(server) == {}
        # Its owner may still inject it, so the entry stays.
        assert list(ledger.read().entries) == [one.entry_id]
    assert ledger.read().entries == {}


async def test_an_expired_fault_is_undone_though_its_owner_lives(server: Server, ledger: Ledger) -> None:
    async with taken_back(ledger, server):
        ((entry_id, entry),) = ledger.read().entries.items()
        ledger.write(entry_id, entry.model_copy(update={"expires_at": entry.written_at}))
        assert [one.entry_id for one in await healed(ledger)] == [entry_id]
        assert toxics(server) == {}


async def test_a_target_that_hangs_or_is_gone_does_not_delay_the_others(server: Server, ledger: Ledger) -> None:
    ids = [await leave(ledger, server) for _ in range(3)]
    async with _answers_never() as url:
        contents = ledger.read()
        for entry_id, elsewhere in zip(ids[:2], (url, "http://127.0.0.1:1"), strict=True):
            entry = contents.entries[entry_id]
            moved = entry.injection.model_copy(update={"toxiproxy_url": elsewhere})
            ledger.write(entry_id, entry.model_copy(update={"injection": moved}))
        results = heal_all(ledger, abandoned(ledger.read()))
        first = [await anext(results), await anext(results)]
        await results.aclose()
    assert {one.entry_id: "cannot be reached" in one.problem for one in first} == {ids[1]: True, ids[2]: False}
    assert set(ledger.read().entries) == set(ids[:2])


async def test_an_unexpected_response_of_one_server_does_not_stop_the_other_undos(
    server: Server, ledger: Ledger
) -> None:
    ids = [await leave(ledger, server, Down(proxy="db")), await leave(ledger, server)]
    async with answering(lambda _: web.json_response([])) as elsewhere:
        entry = ledger.read().entries[ids[0]]
        moved = entry.injection.model_copy(update={"toxiproxy_url": elsewhere.url})
        ledger.write(ids[0], entry.model_copy(update={"injection": moved}))
        problems = {one.entry_id: one.problem for one in await healed(ledger)}
    assert problems[ids[0]] == f"{elsewhere.url}/proxies did not answer as Toxiproxy does; is the url right?"
    assert problems[ids[1]] == ""
    assert set(ledger.read().entries) == {ids[0]}


@asynccontextmanager
async def _answers_never() -> AsyncIterator[str]:
    released = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        released.set()
