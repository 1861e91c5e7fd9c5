from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.outbox import (
    HistoryOutbox,
    Waiting,
    put_waiting,
)
from tests.support.waiting import running

ONE, TWO = Waiting("1-a", "ops", "{}", 1.0), Waiting("2-b", "ops", "{}", 2.0, attempts=3, next_at=9.5)


async def test_what_cannot_be_written_waits_for_the_database(tmp_path: Path) -> None:
    lines: list[str] = []
    outbox = HistoryOutbox(HistorySettings(), tmp_path, lines.append)
    await outbox.read()
    with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        async with running(outbox.run()):
            outbox.put(put_waiting(ONE))
            async with asyncio.timeout(60):
                while not lines:  # noqa: ASYNC110 - a thread tells it
                    await asyncio.sleep(0.01)
            other.execute("ROLLBACK")
    assert (await outbox.read()).waiting == [ONE]
    assert lines[0].startswith("the outbox cannot be used, and messages are kept in memory: ")
