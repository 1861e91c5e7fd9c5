"""The history in an SQLite file, which only this user can read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import name_beside
from alertdrill.agent.history.connection import Database, HistoryUnavailable, Row

_LOOKED_AT_SECONDS = 5.0
# Write-ahead logs need memory that all processes share, which these file systems do not have.
_OF_A_NETWORK = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "glusterfs")
_MOUNTS = Path("/proc/self/mountinfo")


class SqliteDatabase(Database):
    """A connection to a file."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self, agent: str, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(agent)
        self._path = path
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Execute one statement, and return its rows."""
        with _explained(self._path):
            return self._connection.execute(statement, values).fetchall()

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""
        with _explained(self._path):
            self._connection.executemany(statement, rows)

    @property
    def version(self) -> int:
        """The number of the schema, 0 if there is none."""
        return int(self.execute("PRAGMA user_version")[0][0])

    def set_version(self, version: int) -> None:
        """Set the number of the schema."""
        self.execute(f"PRAGMA user_version = {version}")

    def tables(self) -> set[str]:
        """Return the names of all tables."""
        rows = self.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {name for (name,) in rows}

    def wait_for_others(self) -> None:
        """Do nothing: its transactions are one after another."""

    def claim(self) -> None:
        """Do nothing: two agents on one machine cannot have the same recordings."""

    def shrink(self) -> None:
        """Free the space of deleted rows."""
        self.execute("VACUUM")

    def _roll_back(self) -> None:
        # Some errors, such as a full disk, have ended the transaction.
        with suppress(HistoryUnavailable):
            self.execute("ROLLBACK")


@contextmanager
def opened(path: Path, agent: str, busy_seconds: float) -> Iterator[SqliteDatabase]:
    """Open a file, which is made if it is missing, for the length of the block.

    Raises ConfigError when the file cannot be made, and HistoryUnavailable for other problems.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What drills saw can be confidential. SQLite gives its other files the mode of this one. A process that opens and
        # closes a file loses all its locks on it, and then others remove what its connections still use.
        with suppress(FileExistsError):
            os.mknod(path, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: the history cannot be kept there: {error.strerror or error}") from error
    with _explained(path):
        connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    with closing(connection):
        made = SqliteDatabase(agent, path, connection)
        made.execute("PRAGMA foreign_keys = ON")
        wanted = "truncate" if file_system(path).startswith(_OF_A_NETWORK) else "wal"
        ((mode,),) = made.execute(f"PRAGMA journal_mode = {wanted}")
        made.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
        yield made


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise HistoryUnavailable for the errors of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        raise HistoryUnavailable(f"{path}: {error}") from error


def file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of the file system of a path, such as `ext4`; empty when that is not known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    whole, found = str(path.absolute()), ("", "")
    for line in lines:
        head, _, tail = line.partition(" - ")
        fields = head.split()
        if len(fields) < 5 or not tail:
            continue
        place = fields[4].encode("latin-1", "replace").decode("unicode_escape", "replace")
        if len(place) >= len(found[0]) and (whole == place or whole.startswith(place.rstrip("/") + "/")):
            found = place, tail.split()[0]
    return found[1]


def set_aside(path: Path) -> Path | None:
    """Rename a file that is no database, so that a new one can be made; None when it is one. Raises OSError."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_LOOKED_AT_SECONDS)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found == ("ok",):
                return None
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError:
        pass
    aside = name_beside(path).with_suffix(".damaged")
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return aside
