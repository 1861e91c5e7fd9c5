"""A Redis server of the test, with a plain client as the witness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from alertdrill.agent.commands.running import run
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from tests.support.breaking import KilledAgent, endpoints, fault

NAME = "redis:6379"
BLOCK = {"kind": "redis", "url": f"redis://{NAME}", "action": "block", "allow": f"block {NAME}"}
FILL = {"kind": "redis", "url": f"redis://{NAME}", "action": "fill", "mebibytes": 8}
FLUSH = {"kind": "redis", "url": f"redis://{NAME}/0", "action": "flush", "allow": f"flush {NAME}"}
ALLOWED = [f"{what} {NAME}" for what in ("block", "fill", "flush")]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    (port,) = free_ports(1)
    programs = find_programs()
    command = [str(programs["redis"]), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    running = Server(Spec("redis", command, port), tmp_path_factory.mktemp("redis"), programs["setpriv"])
    await running.wait_ready()
    yield running
    await running.stop()


@pytest.fixture
async def witness(server: Server) -> AsyncIterator[Any]:
    client: Any = Redis(host="127.0.0.1", port=server.spec.port)
    await client.flushall()
    await client.config_resetstat()
    await client.set("theirs", "kept")
    await client.set("session:1", "gone")
    yield client
    await client.config_set("maxmemory", 0)
    await client.aclose()


@pytest.fixture
def where(server: Server) -> dict[str, Any]:
    return {"addresses": {NAME: server.address}, "allowed": ALLOWED}


async def is_writable(witness: Any, within_seconds: float = 60.0) -> bool:
    try:
        async with asyncio.timeout(within_seconds):
            await witness.set("written", "now")
    except TimeoutError:
        return False
    return True


async def test_writes_wait_for_the_block_and_reads_do_not(witness: Any, where: dict[str, Any], tmp_path: Path) -> None:
    async with applied(fault(**BLOCK), endpoints(**where), Ledger(tmp_path / "ledger")):
        assert not await is_writable(witness, 0.3)
        assert await witness.get("theirs") == b"kept"
    assert await is_writable(witness)


@pytest.mark.usefixtures("wait_for_given_back")
def test_a_cancellation_in_any_turn_of_the_loop_ends_the_injection(where: dict[str, Any]) -> None:
    """As Ctrl-C does it in a command: if it were lost, the fault would stay in force."""

    async def lost_in(turns: int) -> tuple[bool, bool]:
        """Return whether a cancellation after so many turns was lost, and whether the injection was over before."""
        injection = await fault(**FLUSH).resolve(endpoints(**where), "alertdrill-1")
        is_over = asyncio.Event()

        async def inject() -> None:
            await injection.inject()
            is_over.set()

        task = asyncio.ensure_future(inject())
        for _ in range(turns):
            await asyncio.sleep(0)
        if is_over.is_set():
            return False, True
        task.cancel()
        await asyncio.wait([task])
        return is_over.is_set(), False

    async def main() -> int:
        lost, turns, was_over = [], 0, False
        while not was_over:
            is_lost, was_over = await lost_in(turns)
            lost += [turns] if is_lost else []
            turns += 1
        assert turns > 10
        assert lost == []
        return 0

    assert run(main) == 0


async def test_redis_itself_ends_a_block_at_its_longest(witness: Any, where: dict[str, Any]) -> None:
    for longest in (0.6, 3.0, 15.0):
        blocked = fault(**BLOCK, at_most=f"{longest * 1000:.0f}ms")
        injection = await blocked.resolve(endpoints(**where), "alertdrill-1")
        began = monotonic()
        await injection.inject()
        is_blocked = not await is_writable(witness, 0.3)
        if is_blocked or monotonic() - began < longest:  # else the machine stopped us until it was over
            break
    assert is_blocked
    await witness.set("written", "after all")
    assert await witness.get("written") == b"after all"


async def test_a_pause_by_another_client_is_not_ended(witness: Any, where: dict[str, Any], tmp_path: Path) -> None:
    await witness.execute_command("CLIENT PAUSE", 60_000, "WRITE")
    try:
        with pytest.raises(
            FaultNotApplied, match=r"accepts no write of alertdrill:no-such-key.* Timeout .*blocked already"
        ):
            async with applied(fault(**BLOCK), endpoints(**where), Ledger(tmp_path / "ledger")):
                pass
        assert not await is_writable(witness, 0.3)
    finally:
        await witness.execute_command("CLIENT UNPAUSE")


async def test_a_server_without_write_permission_is_not_blocked(witness: Any, where: dict[str, Any]) -> None:
    """The end of the block could never be confirmed."""
    await witness.execute_command("REPLICAOF", "127.0.0.1", free_ports(1)[0])
    try:
        with pytest.raises(FaultNotApplied, match=r"accepts no write of .* read only replica"):
            await fault(**BLOCK).resolve(endpoints(**where), "alertdrill-1")
    finally:
        await witness.execute_command("REPLICAOF", "NO", "ONE")


async def test_a_fill_is_under_its_own_name_with_an_end_and_goes(
    witness: Any, where: dict[str, Any], tmp_path: Path
) -> None:
    before = (await witness.info("memory"))["used_memory"]
    async with applied(fault(**FILL), endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        assert (await witness.info("memory"))["used_memory"] - before > 8 << 20
        keys = await witness.keys(f"{injection.name}:*")  # type: ignore[attr-defined]
        assert len(keys) == 8
        assert 3500 < await witness.ttl(keys[0]) <= 3600
    assert sorted(await witness.keys("*")) == [b"session:1", b"theirs"]


async def test_keys_that_somebody_else_has_overwritten_stay(
    witness: Any, where: dict[str, Any], tmp_path: Path
) -> None:
    async with applied(fault(**FILL), endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        name = injection.name  # type: ignore[attr-defined]
        await witness.set(f"{name}:3", "theirs now")
        await witness.delete(f"{name}:5")
        await witness.hset(f"{name}:5", "theirs", "now")
    assert sorted(await witness.keys(f"{name}:*")) == [f"{name}:3".encode(), f"{name}:5".encode()]
    assert injection.outcome == f"somebody overwrote 2 of its keys {name}:*, which stay"


@pytest.mark.parametrize("denied", ["-@scripting", "-strlen"])
async def test_a_user_who_may_not_run_scripts_removes_all_keys_of_a_fill(
    denied: str, witness: Any, where: dict[str, Any], tmp_path: Path
) -> None:
    await witness.execute_command("ACL", "SETUSER", "limited", "reset", "on", "nopass", "~*", "+@all", denied)
    limited = FILL | {"url": f"redis://limited@{NAME}"}
    async with applied(fault(**limited), endpoints(**where), Ledger(tmp_path / "ledger")):
        assert len(await witness.keys("alertdrill-*")) == 8
    assert await witness.keys("alertdrill-*") == []


def test_a_fill_may_last_longer_than_five_minutes() -> None:
    assert fault(**FILL, lasts="10m", at_most="15m").at_most == timedelta(minutes=15)


async def test_a_server_that_is_full_before_is_filled(witness: Any, where: dict[str, Any], tmp_path: Path) -> None:
    await witness.config_set("maxmemory", (await witness.info("memory"))["used_memory"] + (4 << 20))
    async with applied(fault(**FILL), endpoints(**where), Ledger(tmp_path / "ledger")):
        with pytest.raises(Exception, match="command not allowed when used memory > 'maxmemory'"):
            await witness.set("more", b"0" * (2 << 20))
    assert await is_writable(witness)


async def test_a_fill_evicts_no_other_keys_unless_that_is_allowed(witness: Any, where: dict[str, Any]) -> None:
    await witness.config_set("maxmemory", 4 << 20)
    await witness.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(
            FaultNotApplied, match=r"8 MiB more would evict keys of others .*needs `allow: fill redis:6379`"
        ):
            await fault(**FILL).resolve(endpoints(**where), "alertdrill-1")
        await fault(**FILL, allow=f"fill {NAME}").resolve(endpoints(**where), "alertdrill-1")
    finally:
        await witness.config_set("maxmemory-policy", "noeviction")


async def test_a_fill_takes_no_more_than_was_checked(witness: Any, where: dict[str, Any], tmp_path: Path) -> None:
    await witness.config_set("maxmemory", (await witness.info("memory"))["used_memory"] + (19 << 19))
    await witness.config_set("maxmemory-policy", "allkeys-lru")
    try:
        async with applied(fault(**FILL), endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
            assert len(await witness.keys(f"{injection.name}:*")) == 8  # type: ignore[attr-defined]
        assert (await witness.info("stats"))["evicted_keys"] == 0
    finally:
        await witness.config_set("maxmemory-policy", "noeviction")


async def test_a_block_that_another_client_ended_is_noticed(
    witness: Any, where: dict[str, Any], tmp_path: Path
) -> None:
    async with applied(fault(**BLOCK), endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() == ""
        assert not await is_writable(witness, 0.3)
        await witness.execute_command("CLIENT UNPAUSE")
        assert await injection.taken_back() == "it accepts writes: somebody ended the pause, or Redis was restarted"


async def test_a_block_that_redis_itself_ended_was_not_taken_back(witness: Any, where: dict[str, Any]) -> None:
    injection = await fault(**BLOCK, at_most="600ms").resolve(endpoints(**where), "alertdrill-1")
    await injection.inject()
    assert await is_writable(witness)
    assert await injection.taken_back() == ""


async def test_a_flush_cannot_be_read_back(witness: Any, where: dict[str, Any], tmp_path: Path) -> None:
    async with applied(fault(**FLUSH), endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() is None
    assert await witness.dbsize() == 0


async def test_a_fill_whose_keys_somebody_removed_is_noticed(
    witness: Any, where: dict[str, Any], tmp_path: Path
) -> None:
    async with applied(fault(**FILL), endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() == ""
        await witness.unlink(f"{injection.name}:3")  # type: ignore[attr-defined]
        gone = "keys of it are gone: they were removed or expired, or Redis was restarted"
        assert await injection.taken_back() == f"1 of 8 {gone}"
        await witness.flushall()
        assert await injection.taken_back() == f"8 of 8 {gone}"


async def test_a_fill_that_the_server_had_no_room_for_is_read_back_as_far_as_it_came(
    witness: Any, where: dict[str, Any], tmp_path: Path
) -> None:
    await witness.config_set("maxmemory", (await witness.info("memory"))["used_memory"] + (4 << 20))
    async with applied(fault(**FILL), endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
        keys = await witness.keys(f"{injection.name}:*")  # type: ignore[attr-defined]
        assert 0 < len(keys) < 8
        assert await injection.taken_back() == ""
        await witness.unlink(*keys)
        assert str(await injection.taken_back()).startswith(f"{len(keys)} of {len(keys)} keys of it are gone")


async def test_keys_that_the_server_evicted_were_not_taken_back(
    witness: Any, where: dict[str, Any], tmp_path: Path
) -> None:
    await witness.config_set("maxmemory", 6 << 20)
    await witness.config_set("maxmemory-policy", "allkeys-lru")
    try:
        full = fault(**FILL, allow=f"fill {NAME}")
        async with applied(full, endpoints(**where), Ledger(tmp_path / "ledger")) as injection:
            assert 0 < len(await witness.keys(f"{injection.name}:*")) < 8  # type: ignore[attr-defined]
            assert await injection.taken_back() == ""
    finally:
        await witness.config_set("maxmemory-policy", "noeviction")


async def test_a_redis_that_does_not_answer_proves_nothing(witness: Any, where: dict[str, Any]) -> None:
    del witness
    for settings in (BLOCK, FILL):
        injection = await fault(**settings).resolve(endpoints(**where), "alertdrill-1")
        away = injection.model_copy(update={"url": f"redis://127.0.0.1:{free_ports(1)[0]}"})
        assert await away.taken_back() == ""


async def test_a_fill_does_not_fill_the_machine(witness: Any, where: dict[str, Any]) -> None:
    await witness.config_set("maxmemory", 0)
    with pytest.raises(FaultNotApplied, match="1048576 MiB are more than half of the machine's remaining memory"):
        await fault(**FILL | {"mebibytes": 1024 * 1024}).resolve(endpoints(**where), "alertdrill-1")


async def test_only_the_keys_that_match_are_flushed(witness: Any, where: dict[str, Any], tmp_path: Path) -> None:
    flush = fault(**FLUSH, pattern="session:*")
    assert flush.target == "redis:6379 (flush, cannot be undone)"
    async with applied(flush, endpoints(**where), Ledger(tmp_path / "ledger")):
        assert await witness.keys("*") == [b"theirs"]
    async with applied(fault(**FLUSH), endpoints(**where), Ledger(tmp_path / "ledger")):
        assert await witness.keys("*") == []


@pytest.mark.parametrize("settings", [BLOCK, FILL])
async def test_heal_undoes_the_fault_of_a_killed_agent(
    witness: Any, where: dict[str, Any], tmp_path: Path, settings: dict[str, Any]
) -> None:
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", settings, **where)
    agent.kill()
    await agent.heal()
    assert await is_writable(witness)
    assert sorted(await witness.keys("*")) == [b"session:1", b"theirs", b"written"]


@pytest.mark.parametrize("settings", [BLOCK, FLUSH])
async def test_a_permission_in_one_file_only_is_refused(
    witness: Any, where: dict[str, Any], settings: dict[str, Any]
) -> None:
    what = settings["allow"]
    for written, allowed, told in [
        (None, ALLOWED, f"needs `allow: {what}` in the drill's fault, it has none"),
        (what.replace("redis:6379", "cache:6379"), ALLOWED, "it has '(block|flush) cache:6379'"),
        (what, [], f"`{what}` is not allowed here: agent.yml needs it in its list `allow`"),
    ]:
        with pytest.raises(FaultNotApplied, match=told):
            await fault(**settings | {"allow": written}).resolve(
                endpoints(**where | {"allowed": allowed}), "alertdrill-1"
            )
    assert await witness.get("session:1") == b"gone"


async def test_a_refused_login_is_reported(where: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong\n")
    password = {"password_file": str(tmp_path / "password")}
    with pytest.raises(FaultNotApplied, match=r"Redis at 127\.0\.0\.1:\d+: AUTH .* called without any password"):
        await fault(**FILL, **password).resolve(endpoints(**where), "alertdrill-1")
    nobody = {NAME: f"127.0.0.1:{free_ports(1)[0]}"}
    with pytest.raises(FaultNotApplied, match=r"Redis at 127\.0\.0\.1:\d+: .*[Cc]onnect"):
        await fault(**FILL).resolve(endpoints(addresses=nobody), "alertdrill-1")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"action": "fill"}, "has action fill, which needs mebibytes"),
        ({"action": "block", "pattern": "a*"}, "has pattern, which is for action flush, and not for block"),
        ({"action": "block", "url": "redis://redis/shop"}, "has the database 'shop', expected a number"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        fault(**{"kind": "redis", "url": "redis://redis", **settings})
