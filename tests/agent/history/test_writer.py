from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import indexed
from alertdrill.agent.history.load import LoadPeriod
from alertdrill.agent.history.sqlite import file_system
from alertdrill.agent.history.writer import HistoryWriter
from alertdrill.agent.recording.recording import Recording, write_recording
from alertdrill.agent.verdict.judge import judge
from tests.support.full_disk import disk_of, fill
from tests.support.waiting import running


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another thread changes it
            await asyncio.sleep(0.01)


def at_file(path: Path) -> HistorySettings:
    return HistorySettings(url=f"sqlite:{path}")


def runs(path: Path) -> int:
    return counted(path, "run")


def counted(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608


def kept(folder: Path, recording: Recording, number: int) -> Recording:
    one = recording.model_copy(update={"alertdrill": str(number)})
    write_recording(one, folder / f"{number}.recording.json.gz")
    return one


async def test_runs_are_written_and_remembered(tmp_path: Path, passed: Recording) -> None:
    writer, judgement = HistoryWriter(at_file(tmp_path / "h.db"), tmp_path), judge(passed)
    async with running(writer.run()):
        writer.put_run(indexed(kept(tmp_path, passed, 1), judgement))
        await until(lambda: bool(writer.memory.proven))
        assert list(writer.memory.proven) == ["OrdersSlow"]
    assert runs(tmp_path / "h.db") == 1


async def test_what_waits_at_the_end_is_written(tmp_path: Path, passed: Recording) -> None:
    writer, judgement = HistoryWriter(at_file(tmp_path / "h.db"), tmp_path), judge(passed)
    async with running(writer.run()):
        await until((tmp_path / "h.db").exists)
        for number in range(9):
            writer.put_run(indexed(kept(tmp_path, passed, number), judgement))
    # On a busy machine it takes longer than the agent waits for it.
    await until(lambda: runs(tmp_path / "h.db") == 9)


async def test_a_locked_database_keeps_nobody_waiting_and_loses_nothing(tmp_path: Path, passed: Recording) -> None:
    told: list[str] = []
    writer = HistoryWriter(at_file(tmp_path / "h.db"), tmp_path, tell=told.append, most_jobs=4)
    judgement = judge(passed)
    async with running(writer.run()):
        await until(lambda: (tmp_path / "h.db").exists() and not writer.queued)
        with opened(at_file(tmp_path / "h.db"), tmp_path) as other:
            await until(lambda: other.version > 0 and writer.is_known)
            found = [indexed(kept(tmp_path, passed, number), judgement) for number in range(20)]
            other.execute("BEGIN EXCLUSIVE")
            # In one go, so that more waits than may, however slow this machine is.
            for run in found:
                writer.put_run(run)
            await until(lambda: "database is locked" in writer.problem)
            assert writer.counts["failed"] > 0
            assert writer.counts["skipped"] > 0
            other.execute("ROLLBACK")
        await until(lambda: not writer.problem)
        assert runs(tmp_path / "h.db") == 20
    assert [line.split(" ", 3)[:3] for line in told] == [["the", "history", "cannot"], ["the", "history", "can"]]


async def test_on_a_full_disk_nothing_is_lost_and_one_line_says_so(tmp_path: Path, passed: Recording) -> None:
    """The recordings are on another one."""
    told: list[str] = []
    judgement = judge(passed)
    with disk_of(tmp_path / "disk", 2) as disk:
        database = disk / "h.db"
        writer = HistoryWriter(at_file(database), tmp_path, tell=told.append)
        async with running(writer.run()):
            await until(lambda: writer.is_known and not writer.queued)
            other = fill(disk)
            for number in range(9):
                writer.put_load(LoadPeriod(10, 10 * number, whole_seconds=10).row())
            # It was opened and read again meanwhile.
            await until(lambda: writer.counts["failed"] > 2)
            for number in range(9):
                writer.put_run(indexed(kept(tmp_path, passed, number), judgement))
            failed = writer.counts["failed"]
            await until(lambda: writer.counts["failed"] > failed)
            assert "full" in writer.problem or "I/O" in writer.problem
            assert (counted(database, "run"), counted(database, "load_period")) == (0, 0)
            assert len(told) == 1
            other.unlink()
            await until(lambda: not writer.problem and not writer.queued)
        # What it has written is there when it has ended.
        await until(lambda: (counted(database, "run"), counted(database, "load_period")) == (9, 9))
        assert list(disk.glob("*.damaged")) == []
    assert [line.split(" ", 3)[:3] for line in told] == [["the", "history", "cannot"], ["the", "history", "can"]]
    assert writer.counts["dropped"] == 0


async def test_a_damaged_database_is_set_aside_and_made_again(tmp_path: Path, passed: Recording) -> None:
    told: list[str] = []
    kept(tmp_path, passed, 1)
    (tmp_path / "h.db").write_bytes(b"no database" * 999)
    async with running((writer := HistoryWriter(at_file(tmp_path / "h.db"), tmp_path, tell=told.append)).run()):
        await until(lambda: bool(writer.memory.proven))
    assert runs(tmp_path / "h.db") == 1
    assert sum("history was damaged: it is" in line and ".damaged now" in line for line in told) == 1


def test_the_database_is_for_this_user_alone_and_has_a_write_ahead_log(tmp_path: Path) -> None:
    with opened(at_file(tmp_path / "h.db"), tmp_path) as connection:
        assert connection.execute("PRAGMA journal_mode") == [("wal",)]
        modes = {path.stat().st_mode & 0o777 for path in tmp_path.glob("h.db*")}
        assert modes == {0o600}


def test_another_process_that_closes_the_database_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    other = "import sqlite3, sys; one = sqlite3.connect(sys.argv[1]); one.execute('SELECT * FROM run'); one.close()"
    with opened(at_file(path), tmp_path) as connection:
        with opened(at_file(path), tmp_path):
            """A page is shown."""
        subprocess.run([sys.executable, "-c", other, str(path)], check=True)
        with connection.writing():
            connection.insert("alert_set", [("id", "[]")])
        with opened(at_file(path), tmp_path) as again:
            assert again.execute("SELECT id FROM alert_set") == [("id",)]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/nfs/deep/h.db", "nfs4"),
        ("/data/with space/h.db", "fuse.sshfs"),
        ("/data/h.db", "ext4"),
        ("/data2", "xfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 8:1 / / rw - xfs /dev/sda1 rw\n"
        "22 21 8:2 / /data rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
        "23 22 0:50 / /data/nfs rw shared:2 master:3 - nfs4 server:/x rw\n"
        "24 22 0:51 / /data/with\\040space rw - fuse.sshfs host:/y rw\n"
        "broken line\n"
    )
    assert file_system(Path(path), mounts) == kind
