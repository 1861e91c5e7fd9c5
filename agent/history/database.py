"""Opens the database of the history: a file of SQLite, or a PostgreSQL server.

It is an index. The recordings and the journal of occurrences are the truth, so it can be made again from them at any
time. Only the figures of the load are nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history import sqlite
from alertdrill.agent.history.connection import Database
from alertdrill.agent.history.schema import migrate
from alertdrill.units.extras import of_extra

_BUSY_SECONDS = 5.0


@contextmanager
def opened(history: HistorySettings, recordings: Path, *, busy_seconds: float = _BUSY_SECONDS) -> Iterator[Database]:
    """Open the database, with its tables in this version, for the length of the block, within one thread.

    `recordings` is the folder that has its file by default. A thread that has an event loop cannot open a server.
    Raises HistoryUnavailable; ConfigError when it can never be used; LibraryMissing.
    """
    shown = history.shown(recordings)
    if history.server is None:
        with sqlite.opened(history.file(recordings), history.key, busy_seconds) as file:
            migrate(file, shown)
            yield file
        return
    with of_extra("postgres"):
        from alertdrill.agent.history import postgres
    with postgres.opened(history, shown, busy_seconds) as server:
        migrate(server, shown)
        yield server
