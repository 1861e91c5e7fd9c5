"""An open database as the history uses it: the same statements for SQLite and PostgreSQL, with `?` for each value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Row = tuple[Any, ...]


class HistoryUnavailable(Exception):
    """The database cannot be read or written now: it is locked, the disk is full, the server or the file is gone."""


class NameTaken(HistoryUnavailable):
    """Another agent that runs has the name of this one."""


class Database(ABC):
    """The rows of one agent in an open database, for use within one thread. Every method raises HistoryUnavailable."""

    # Types and tables are written as SQLite has them.
    begin = "BEGIN"

    def __init__(self, agent: str) -> None:
        self.agent = agent

    @abstractmethod
    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Execute one statement, and return its rows."""

    @abstractmethod
    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""

    @property
    @abstractmethod
    def version(self) -> int:
        """The number of the schema, 0 if there is none."""

    @abstractmethod
    def set_version(self, version: int) -> None:
        """Set the number of the schema."""

    @abstractmethod
    def tables(self) -> set[str]:
        """Return the names of all tables."""

    @abstractmethod
    def wait_for_others(self) -> None:
        """Wait, within a transaction, until no other connection changes the tables."""

    @abstractmethod
    def claim(self) -> None:
        """Be the only writer of this agent's rows while the connection is open; raises if there is another one."""

    @abstractmethod
    def shrink(self) -> None:
        """Free the space of deleted rows."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write everything of the block or nothing."""
        self.execute(self.begin)
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        self.execute("COMMIT")

    @abstractmethod
    def _roll_back(self) -> None: ...

    def insert(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Add rows of this agent, without those that are there."""
        self._write(table, rows, "ON CONFLICT DO NOTHING")

    def replace(self, table: str, keys: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add rows of this agent in the place of those with the same keys, which are the first columns."""
        new = list(rows)
        where = " AND ".join(f"{key} = ?" for key in keys)
        gone = [(self.agent, *map(storable, row[: len(keys)])) for row in new]
        self.executemany(f"DELETE FROM {table} WHERE agent = ? AND {where}", gone)  # noqa: S608 - our own names
        self._write(table, new)

    def _write(self, table: str, rows: Iterable[Sequence[object]], when_there: str = "") -> None:
        given = [(self.agent, *map(storable, row)) for row in rows]
        if given:
            marks = ", ".join("?" * len(given[0]))
            self.executemany(f"INSERT INTO {table} VALUES ({marks}) {when_there}", given)  # noqa: S608 - our own names


def storable(value: object) -> object:
    """Return a value that every database takes.

    PostgreSQL takes no NUL and compares at most 2,700 bytes, and no database takes half a character.
    """
    if not isinstance(value, str):
        return int(value) if isinstance(value, bool) else value
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
