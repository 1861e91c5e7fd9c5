"""What holds for both kinds of databases, on a real PostgreSQL server and in a file."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history import postgres, sqlite
from alertdrill.agent.history.connection import Database, HistoryUnavailable
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import (
    KpiRunText,
    catch_up,
    indexed,
    kept_kpi_runs,
    proofs,
    rebuild,
    reviewed,
    standing,
    unreadable,
)
from alertdrill.agent.history.load import LoadPeriod, periods, roll_up, save_periods
from alertdrill.agent.history.outbox import (
    HistoryOutbox,
    Waiting,
    put_annotation,
    put_told,
    put_waiting,
    remove_waiting,
)
from alertdrill.agent.history.reading import last_verdicts, newest_runs, run_before, run_of, runs_of_occurrence
from alertdrill.agent.history.schema import INDEX_TABLES, VERSION, migrate
from alertdrill.agent.history.writer import HistoryWriter
from alertdrill.agent.recording.recording import Recording, write_recording
from alertdrill.agent.schedule.choice import EarlierDrills
from alertdrill.agent.schedule.journal import Journal, recorded
from alertdrill.agent.schedule.occurrences import Occurrence
from alertdrill.agent.verdict.judge import judge
from alertdrill.lab.ports import free_ports
from tests.support.postgres_server import PASSWORD, PostgresServer, postgres_server
from tests.support.schedules import at, entry
from tests.support.waiting import running

SCHEMA_1 = (Path(__file__).parent / "schema_1.sql").read_text()
DAY = 86_400
Result = TypeVar("Result")
numbers = itertools.count()


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running


@pytest.fixture
async def on_server(server: PostgresServer) -> HistorySettings:
    name = f"history{next(numbers)}"
    connection = await server.connect()
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return HistorySettings(url=f"postgresql://postgres@{server.address}/{name}", agent="shop", password=PASSWORD)


@pytest.fixture
def in_file(tmp_path: Path) -> HistorySettings:
    return HistorySettings(url=f"sqlite:{tmp_path / 'h.db'}", agent="shop")


async def within(history: HistorySettings, work: Callable[[Database], Result]) -> Result:
    """Open a database and work with it, in a thread."""

    def open_and_work() -> Result:
        with opened(history, Path("unused")) as database:
            return work(database)

    return await asyncio.to_thread(open_and_work)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another thread changes it
            await asyncio.sleep(0.01)


def rows(database: Database, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(database.execute(f"SELECT * FROM {table}"), key=str) for table in tables}  # noqa: S608


def counted(database: Database) -> dict[str, int]:
    return {table: len(found) for table, found in rows(database, "run", "load_period").items()}


def period(start: int, *latencies_us: int, part: int = 0) -> LoadPeriod:
    made = LoadPeriod(
        10, start, part, whole_seconds=10, target=20.0, due=len(latencies_us), succeeded=len(latencies_us)
    )
    made.reasons = Counter(timeout=1)
    for value in latencies_us:
        made.latency.record_value(value)
        made.lateness.record_value(100)
    return made


def everything(folder: Path, database: Database) -> dict[str, Any]:
    """Fill a database, and return all that it holds and says."""
    catch_up(database, folder)
    with database.writing():
        save_periods(database, [period(start, 5_000, start % 977 + 1).row() for start in range(0, DAY, 3_600)])
        save_periods(database, [period(0, 70_000, part=2**61).row()])
    history = HistorySettings(keep_load="1d")
    while roll_up(database, history, 1.3 * DAY):
        pass
    found: dict[str, Any] = rows(database, *INDEX_TABLES, "load_period")
    found["load"] = [(one.row(), one.latency.get_value_at_percentile(99)) for one in periods(database, 0, 3_600)]
    runs = [KpiRunText(at, 300.0, "{}") for at in (20.0, 10.0)]
    return found | {
        "kpis": [kept_kpi_runs(database, "kpis.jsonl", runs[:end]) for end in (1, 2, 0)],
        "proofs": proofs(database),
        "standing": standing(database),
        "reviewed": reviewed(database, None),
        "unreadable": unreadable(database),
        "newest": newest_runs(database, "", (math.inf, ""), 2),
        "none": newest_runs(database, "other", (math.inf, ""), 2),
        "last": last_verdicts(database, 1.0),
    }


async def test_a_server_holds_the_same_as_a_file(
    tmp_path: Path, on_server: HistorySettings, in_file: HistorySettings, passed: Recording, missed: Recording
) -> None:
    """That is also true for texts with NUL, which PostgreSQL does not take."""
    folder = tmp_path / "kept"
    for number, one in enumerate((passed, missed, missed.model_copy(update={"aborted": "nul \0"}))):
        write_recording(one, folder / f"{number}.recording.json.gz")
    (folder / "cut.recording.json.gz").write_bytes(b"\x1f\x8b")
    Journal(folder).add(
        recorded(Occurrence(entry(), at("2026-06-02T08:00"), at("2026-06-02T08:00")), "done", at("2026-06-02T09:00"))
    )
    there = await within(on_server, lambda database: everything(folder, database))
    here = await within(in_file, lambda database: everything(folder, database))
    assert there == here
    assert len(here["run"]) == 3
    newest = here["newest"].rows
    assert len(newest) == 2
    before = newest[-1].started_at, newest[-1].id
    for history in (on_server, in_file):
        (last,) = (await within(history, lambda database: newest_runs(database, "", before, 9))).rows
        assert last not in newest
        assert (await within(history, partial(run_of, run=last.id))).rows == [last]
        for run, earlier in ((newest[0], newest[1:]), (newest[1], [last]), (last, [])):
            assert (await within(history, partial(run_before, run=run.id))).rows == earlier
        assert (await within(history, lambda database: runs_of_occurrence(database, "weekly", "nul \0"))).rows == []
    assert [[one.at for one in runs] for runs in here["kpis"]] == [[20.0], [10.0, 20.0], [10.0, 20.0]]
    assert {row[1] for row in here["load_period"]} == {60, 600, 3_600}
    rebuilt = await within(on_server, lambda database: (rebuild(database, folder), rows(database, *INDEX_TABLES))[1])
    assert rebuilt == {table: here[table] for table in INDEX_TABLES}


async def test_the_run_before_is_the_last_comparable_one_however_many_others_were_between(
    in_file: HistorySettings,
) -> None:
    drills = [("slow", 1.0), *[("slow", 30.0), ("other", 1.0)] * 20, ("slow", 1.0)]
    rows = [
        (f"{number}", drill, float(number), number + 0.5, scale, 0, "", None, None, "1.0", "")
        for number, (drill, scale) in enumerate(drills)
    ]

    def work(database: Database) -> list[str]:
        database.insert("run", rows)
        return [row.id for row in run_before(database, "41").rows]

    assert await within(in_file, work) == ["0"]


async def test_two_agents_on_one_server_have_their_own_rows(
    tmp_path: Path, on_server: HistorySettings, passed: Recording, missed: Recording
) -> None:
    other = on_server.model_copy(update={"agent": "bank"})
    for name, one in (("shop", passed), ("bank", missed), ("bank", passed)):
        write_recording(one, tmp_path / name / f"{len(one.alerts)}.recording.json.gz")
    await within(on_server, lambda database: catch_up(database, tmp_path / "shop"))
    await within(other, lambda database: catch_up(database, tmp_path / "bank"))
    assert [one.drill for one in await within(on_server, proofs)] == ["slow-database", None]
    assert len(await within(other, lambda database: reviewed(database, None))) == 2
    (tmp_path / "bank" / "0.recording.json.gz").unlink()
    await within(other, lambda database: rebuild(database, tmp_path / "none"))
    assert len(await within(on_server, lambda database: reviewed(database, None))) == 1
    assert await within(other, lambda database: reviewed(database, None)) == []


async def test_an_agent_that_starts_while_another_makes_the_schema(
    server: PostgresServer, on_server: HistorySettings
) -> None:
    assert on_server.server is not None
    other = await server.connect(database=on_server.server.path)
    making = other.transaction()
    await making.start()
    await other.execute("CREATE SCHEMA alertdrill")
    asked = asyncio.create_task(within(on_server, lambda database: database.tables()))
    watching = await server.connect()
    while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        await asyncio.sleep(0.01)
        assert not asked.done()
    await making.commit()
    assert set(INDEX_TABLES) <= await asked
    await other.close()
    await watching.close()


async def test_a_second_agent_of_the_same_name_writes_nothing_until_the_first_has_ended(
    tmp_path: Path, on_server: HistorySettings
) -> None:
    told: list[str] = []
    first, second = HistoryWriter(on_server, tmp_path / "a"), HistoryWriter(on_server, tmp_path / "b", tell=told.append)
    async with AsyncExitStack() as later:
        async with running(first.run()):
            await until(lambda: first.is_known)
            await later.enter_async_context(running(second.run()))
            await until(lambda: bool(told))
            assert "another agent writes as shop: each needs a name of its own (history.agent)" in second.problem
            assert (first.problem, first.name_taken, bool(second.name_taken)) == ("", "", True)
        await until(lambda: not second.name_taken)


async def test_a_server_that_never_answers_does_not_hold_up_the_end(tmp_path: Path) -> None:
    called = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with (
        silent,
        asyncio.timeout(60),
        running(HistoryWriter(HistorySettings(url=f"postgresql://u@127.0.0.1:{port}/x", agent="a"), tmp_path).run()),
    ):
        await called.wait()


async def test_a_server_that_is_away_or_locked_keeps_nobody_waiting_and_loses_nothing(
    tmp_path: Path, server: PostgresServer, on_server: HistorySettings, passed: Recording
) -> None:
    writer, judgement = HistoryWriter(on_server, tmp_path, most_jobs=4), judge(passed)
    admin = await server.connect()
    name = str(on_server.url).rpartition("/")[2]

    def put(numbers: range) -> None:
        for number in numbers:
            one = passed.model_copy(update={"alertdrill": str(number)})
            write_recording(one, tmp_path / f"{number}.recording.json.gz")
            writer.put_run(indexed(one, judgement))
            writer.put_load(period(number * 10, 5_000).row())

    async with running(writer.run()):
        await until(lambda: writer.is_known)
        await admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        put(range(8))
        await until(lambda: writer.counts["failed"] > 1)
        assert writer.queued >= 8
        await admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        await until(lambda: not writer.problem and not writer.queued)
        locking = await server.connect(database=name)
        await locking.execute("BEGIN; LOCK TABLE alertdrill.run")
        put(range(8, 12))
        await until(lambda: "lock timeout" in writer.problem)
        await locking.execute("ROLLBACK")
        await until(lambda: not writer.problem and not writer.queued)
        await locking.close()
        async with asyncio.timeout(60):
            # What is being written does not wait any more.
            while await within(on_server, counted) != {"run": 12, "load_period": 12}:
                pass
    await admin.close()
    assert writer.counts["dropped"] == 0


def _fill(database: Database, version: int) -> None:
    for statement in filter(str.strip, SCHEMA_1.split(";\n")):
        database.execute(statement.strip())
    database.set_version(version)


async def unchanged(history: HistorySettings, work: Callable[[Database], None]) -> None:
    """Work with a database whose tables are left as they are."""

    def open_and_work() -> None:
        with (
            sqlite.opened(history.file(Path("unused")), "shop", 5)
            if history.server is None
            else postgres.opened(history, "", 5)
        ) as database:
            work(database)

    await asyncio.to_thread(open_and_work)


async def test_what_is_told_is_there_after_a_restart_and_after_a_rebuild(
    tmp_path: Path, in_file: HistorySettings, on_server: HistorySettings
) -> None:
    one, two = Waiting("1-a", "ops", "{}", 1.0), Waiting("2-b", "ops", "{}", 2.0, attempts=3, next_at=9.5)
    for history in (in_file, on_server):
        outbox = HistoryOutbox(history, tmp_path)
        async with running(outbox.run()):
            outbox.put(
                put_waiting(two), put_waiting(one), put_told("alert A", "missed", 5.0), put_annotation("f", "{}")
            )
            async with asyncio.timeout(60):
                while not await outbox.saved():
                    pass
            # Written at the end.
            outbox.put(remove_waiting(one), put_told("alert A", "late", 6.0), put_annotation("f", None))
        await within(history, lambda database: rebuild(database, tmp_path))
        kept = await HistoryOutbox(history, tmp_path).read()
        assert (kept.waiting, kept.told, kept.annotations) == ([two], {"alert A": ("late", 6.0)}, {})
        other = await HistoryOutbox(history.model_copy(update={"agent": "other"}), tmp_path).read()
        assert (other.waiting, other.told) == ([], {})


def nowhere_else(version: int) -> dict[str, tuple[object, ...]]:
    """Return a row of each table of a schema that no file can replace."""
    load = {"load_period": period(1_780_000_000, 5_000, 70_000, part=7).row()}
    kpis = {"kpi_run": ("kpis.jsonl", 1780000000.25, 300.0, "{}")}
    outbox = {
        "outbox": ("1-a", "ops", "{}", 1780000000.25, 3, 9.5),
        "told": ("alert A", "missed", 5.25),
        "annotation": ("f", "{}"),
    }
    return (load | kpis if version >= 2 else {}) | (outbox if version >= 3 else {})


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_a_database_of_an_earlier_schema_is_migrated(
    tmp_path: Path, in_file: HistorySettings, on_server: HistorySettings, passed: Recording, version: int
) -> None:
    """What is nowhere else stays, and so does what has no recording any more; the other recordings are read again."""
    write_recording(passed, tmp_path / "there.recording.json.gz")
    kept = nowhere_else(version)

    def fill(database: Database) -> None:
        _fill(database, 1)
        migrate(database, "", version)
        for table, row in kept.items():
            database.insert(table, [row])

    for history in (in_file, on_server):
        await unchanged(history, fill)
        assert await within(history, lambda database: rows(database, *nowhere_else(VERSION))) == {
            table: [("shop", *kept[table])] if table in kept else [] for table in nowhere_else(VERSION)
        }
        found = await within(history, lambda database: rows(database, "run", "verdict", "proof", "occurrence"))
        assert found["run"] == [
            ("shop", "r1", "slow-database", 1780000000.25, 1780000140.5, 1.0, 0, "", "weekly", "2026-05-28T20:26:40Z", "0.1.0", ""),
            ("shop", "r2", "slow-database", 1780600000.25, 1780600140.5, 1.0, 1, "", None, None, "0.1.0", ""),
        ]  # fmt: skip
        places = [row[1:4] for row in found["verdict"]]
        assert places == [("r1", 0, "OrdersSlow"), ("r1", 1, "QueueGrows"), ("r2", 0, "OrdersSlow")]
        assert found["proof"] == [("shop", "r1", 0, "OrdersSlow", "page", "e1", 1780000000.25)]
        assert found["occurrence"][0][:3] == ("shop", "weekly", "2026-05-28T20:26:40Z")
        assert (await within(history, proofs))[0].proven_at == 1780000000.25
        await within(history, lambda database: catch_up(database, tmp_path))
        run_ids = [row[1] for row in (await within(history, lambda database: rows(database, "run")))["run"]]
        assert "r1" in run_ids
        assert "r2" not in run_ids
        assert len(run_ids) == 2


async def test_a_database_of_a_newer_schema_or_of_others_is_refused_and_not_changed(
    in_file: HistorySettings, on_server: HistorySettings
) -> None:
    newer = "has schema 99, this alertdrill knows schemas up to 4: use the newer alertdrill"
    for history in (in_file, on_server):
        await unchanged(history, lambda database: _fill(database, 99))
        with pytest.raises(ConfigError, match=newer):
            await within(history, lambda _: None)
        await unchanged(history, lambda database: database.set_version(0))
        with pytest.raises(ConfigError, match="holds tables that are not of alertdrill"):
            await within(history, lambda _: None)
        await unchanged(history, lambda database: database.set_version(1))
        assert len((await within(history, lambda database: rows(database, "run")))["run"]) == 2


async def test_the_command_reads_a_server_with_a_password_from_a_file(
    tmp_path: Path, server: PostgresServer, on_server: HistorySettings, passed: Recording
) -> None:
    write_recording(passed, tmp_path / "kept" / "a.recording.json.gz")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    config = tmp_path / "agent.yml"
    config.write_text(
        "probe: {kind: tcp, url: 'tcp://127.0.0.1:1'}\nprometheus: {url: 'http://127.0.0.1:1'}\nrecordings: kept\n"
        f"history: {{url: '{on_server.url}', agent: shop, password_file: password}}\n"
    )

    def said(*arguments: str) -> str:
        ended = CliRunner().invoke(app, ["history", *arguments, "--config", str(config)])
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    assert "slow-database" in await asyncio.to_thread(said)
    assert f"1 recording(s) and 0 occurrence(s) in PostgreSQL at {server.address}" in await asyncio.to_thread(
        said, "rebuild"
    )


async def test_a_server_that_is_away_is_told_in_plain_words() -> None:
    (port,) = free_ports(1)
    away = HistorySettings(url=f"postgresql://shop@127.0.0.1:{port}/shop", agent="shop")
    with pytest.raises(HistoryUnavailable, match=r"database shop: Connection refused$"):
        await within(away, lambda _: None)


async def test_with_a_server_that_is_away_from_the_start_on_the_history_counts_as_read(
    tmp_path: Path, passed: Recording
) -> None:
    """So that drills can run: what they need of it is not known then, and nothing was ever proven."""
    (port,) = free_ports(1)
    told: list[str] = []
    away = HistorySettings(url=f"postgresql://shop@127.0.0.1:{port}/shop", agent="shop")
    writer = HistoryWriter(away, tmp_path, tell=told.append)
    assert not writer.is_known
    async with running(writer.run()):
        await until(lambda: writer.is_known)
        assert writer.problem.endswith("database shop: Connection refused")
        writer.put_run(indexed(passed, judge(passed)))
        await until(lambda: writer.counts["failed"] > 1 and not writer.queued)
    assert (writer.memory, len(told)) == (EarlierDrills(), 1)


async def test_a_wrong_password_is_told_without_it(on_server: HistorySettings) -> None:
    wrong = HistorySettings(url=on_server.url, agent="shop", password="verysecret")  # noqa: S106
    with pytest.raises(HistoryUnavailable, match="password authentication failed") as raised:
        await within(wrong, lambda _: None)
    assert "verysecret" not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"url": "postgresql://u@db/x"}, "has no agent, expected the name"),
        ({"url": "postgresql://u:hush@db/x", "agent": "a"}, "has a password in it"),
        ({"url": "mysql://db"}, "mysql: is not supported"),
        ({"password": "hush"}, "a file does not need"),
        ({"keep_load": "400d", "keep_load_days": "30d"}, "expected at least 400d"),
        ({"url": "postgresql://u@db/x", "agent": "a", "tls": {"server_name": "db"}}, "server_name"),
        ({"agent": "Shop 1"}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        HistorySettings.model_validate(values)
