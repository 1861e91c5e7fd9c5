"""What the agent told and has still to tell, in the database of the history.

These tables are no index of the recordings, so they stay when it is made again. `outbox` has the messages that
wait, by target; `told` has for each subject the state that was told last; `annotation` has the faults whose annotation
may still be open in Grafana. Contents are JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history.connection import Database, HistoryUnavailable
from alertdrill.agent.history.database import opened
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.units.extras import LibraryMissing
from alertdrill.units.text import one_line
from alertdrill.units.waiting import set_within

_BUSY_SECONDS = 1.0
_PAUSE_SECONDS = 5.0
_SAVED_WITHIN_SECONDS = 5.0
_MOST_CHANGES = 10_000

Change = Callable[[Database], object]


@dataclass(frozen=True)
class Waiting:
    """A message that waits for its target; `next_at` is the time of the next try, in Unix seconds."""

    id: str
    target: str
    content: str
    made_at: float
    attempts: int = 0
    next_at: float = 0.0


@dataclass
class Kept:
    """All that was kept, as it was read; `told` has the state and its instant by subject."""

    waiting: list[Waiting] = field(default_factory=list)
    told: dict[str, tuple[str, float]] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


def read_kept(database: Database) -> Kept:
    """Read everything; the messages are in the order in which they were made."""
    mine = (database.agent,)
    waiting = database.execute(
        "SELECT id, target, content, made_at, attempts, next_at FROM outbox WHERE agent = ? ORDER BY made_at, id", mine
    )
    told = database.execute("SELECT subject, state, at FROM told WHERE agent = ?", mine)
    annotations = database.execute("SELECT id, content FROM annotation WHERE agent = ?", mine)
    return Kept(
        [Waiting(*row) for row in waiting],
        {subject: (state, at) for subject, state, at in told},
        {key: content for key, content in annotations},  # noqa: C416 - a row is no pair for a type checker
    )


def put_waiting(one: Waiting) -> Change:
    """Keep a message until it is removed; a newer number of attempts replaces the one before."""
    row = (one.id, one.target, one.content, one.made_at, one.attempts, one.next_at)
    return lambda database: database.replace("outbox", ("id", "target"), [row])


def remove_waiting(one: Waiting) -> Change:
    """Remove a message that was sent or given up."""
    row = (one.id, one.target)
    query = "DELETE FROM outbox WHERE agent = ? AND id = ? AND target = ?"
    return lambda database: database.execute(query, (database.agent, *row))


def put_told(subject: str, state: str, at: float) -> Change:
    """Keep the state of a subject that was told last."""
    return lambda database: database.replace("told", ("subject",), [(subject, state, at)])


def put_annotation(key: str, content: str | None) -> Change:
    """Keep an annotation; None removes it."""
    if content is None:
        query = "DELETE FROM annotation WHERE agent = ? AND id = ?"
        return lambda database: database.execute(query, (database.agent, key))
    return lambda database: database.replace("annotation", ("id",), [(key, content)])


class HistoryOutbox:
    """Writes changes in a thread, in their order; while the database is away they wait in memory.

    `tell` gets a line when it cannot be written, and when it can be again.
    """

    def __init__(
        self, history: HistorySettings, recordings: Path, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._history = history
        self._recordings = recordings
        self._tell = tell
        self._changes: list[Change] = []
        self._problem = ""
        self._has_changes = asyncio.Event()
        self._is_saved = asyncio.Event()
        self._is_saved.set()

    async def read(self) -> Kept:
        """Read what an agent before has kept; nothing when the database is away."""
        try:
            return await in_thread(self._read)
        except (HistoryUnavailable, ConfigError, LibraryMissing, OSError) as error:
            self._fail(error)
            return Kept()

    def put(self, *changes: Change) -> None:
        """Write changes soon, all of them or none."""
        self._changes += changes
        # It holds days of changes; what is written is then an older state, and is told again.
        del self._changes[:-_MOST_CHANGES]
        self._has_changes.set()
        self._is_saved.clear()

    async def saved(self) -> bool:
        """Wait until everything is written, for a few seconds at most; return whether it is."""
        return await set_within(self._is_saved, _SAVED_WITHIN_SECONDS)

    async def run(self) -> None:
        """Write until this is cancelled, and then what is left."""
        try:
            while True:
                await self._has_changes.wait()
                if not await self._write():
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            # A server that is away would hold up the end; a file that is locked does not.
            if self._changes and not (self._problem and self._history.server):
                await self._write()

    async def _write(self) -> bool:
        changes = list(self._changes)
        try:
            await in_thread(self._save, changes)
        except (HistoryUnavailable, ConfigError, LibraryMissing, OSError) as error:
            self._fail(error)
            return False
        if self._problem:
            self._problem = ""
            self._tell("the outbox can be written again")
        del self._changes[: len(changes)]
        if not self._changes:
            self._has_changes.clear()
            self._is_saved.set()
        return True

    def _fail(self, error: Exception) -> None:
        if not self._problem:
            self._tell(f"the outbox cannot be used, and messages are kept in memory: {one_line(error)}")
        self._problem = one_line(error)

    def _read(self) -> Kept:
        with opened(self._history, self._recordings, busy_seconds=_BUSY_SECONDS) as database:
            return read_kept(database)

    def _save(self, changes: list[Change]) -> None:
        with opened(self._history, self._recordings, busy_seconds=_BUSY_SECONDS) as database, database.writing():
            for change in changes:
                change(database)
