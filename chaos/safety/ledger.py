"""The ledger: the faults in force, one file each, written and synced before a fault is injected.

`ID.json` is a fault that its owner keeps in force. A process that takes it from a living owner (the watchdog when the
owner hangs, `heal --force`) first renames it to `ID.lapsed.json`, so that the owner notices. The file is removed when
the fault is undone and cannot be injected any more: by the owner, or by another process when the owner is dead.

An entry says what to run or to call, so only entries that this program wrote for this user are read: see ledger_files.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, LedgerRefused
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.entry import Entry
from alertdrill.units.text import one_line


@dataclass(frozen=True)
class SpoiltEntry:
    """An entry that is not carried out, and a line that says why.

    A refused one is not this user's alone, or was not written by this program; any other is damaged.
    """

    entry_id: str
    line: str
    is_refused: bool = False


@dataclass(frozen=True)
class Contents:
    """The contents of a ledger: entries by id, the ids that lapsed, and the entries that are not carried out.

    `problem` says why the ledger itself cannot be read.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    lapsed: frozenset[str] = frozenset()
    spoilt: list[SpoiltEntry] = field(default_factory=list)
    problem: str = ""

    @property
    def unreadable(self) -> list[str]:
        """A line for the ledger, if it cannot be read, and for each damaged entry."""
        return [*filter(None, [self.problem]), *(one.line for one in self.spoilt if not one.is_refused)]

    @property
    def refused(self) -> list[str]:
        """A line for each refused entry."""
        return [one.line for one in self.spoilt if one.is_refused]


class Ledger:
    """A directory of faults in force, written by one drill; created with the first entry."""

    def __init__(self, directory: Path, drill: str = "") -> None:
        self.directory = directory
        self.drill = drill

    def new_id(self) -> str:
        """Return a unique id; toxics and other objects of the fault carry it."""
        return f"alertdrill-{uuid.uuid4().hex[:12]}"

    def write(self, entry_id: str, entry: Entry) -> None:
        """Write an entry and sync it to disk; raises FaultNotApplied when that fails."""
        try:
            with ledger_files.made(self.directory) as folder:
                ledger_files.write_entry(folder, entry_id, entry.model_dump_json())
        except (OSError, LedgerRefused) as error:
            raise FaultNotApplied(
                f"the ledger {self.directory} cannot be written, so nothing is broken: {error}"
            ) from error

    def rewrite(self, entry_id: str, entry: Entry) -> None:
        """Write an entry of this process again, with what was learnt meanwhile; raises FaultNotApplied."""
        try:
            with ledger_files.opened(self.directory) as folder:
                ledger_files.rewrite_entry(folder, entry_id, entry.model_dump_json())
        except (OSError, LedgerRefused) as error:
            raise FaultNotApplied(f"the ledger {self.directory} cannot be written: {error}") from error

    def read(self, only: str | None = None) -> Contents:
        """Read all entries, or one; one that is unreadable or refused is reported and does not hide the others.

        Raises LedgerRefused when other users control the folder.
        """
        try:
            with ledger_files.opened(self.directory) as folder:
                return self._read(folder, only)
        except FileNotFoundError:
            return Contents()
        except OSError as error:
            return Contents(problem=f"the ledger {self.directory} cannot be read: {error.strerror}")

    def _read(self, folder: int, only: str | None) -> Contents:
        entries, lapsed, spoilt = {}, set(), []
        for entry_id, name in ledger_files.entry_names(folder):
            if only not in {None, entry_id}:
                continue
            path = self.directory / name
            try:
                entries[entry_id] = Entry.model_validate(ledger_files.read_entry(folder, name, entry_id))
            except FileNotFoundError:
                continue  # removed, or lapsed, since the listing
            except LedgerRefused as error:
                line = one_line(f"the ledger entry {path} is not carried out: it {error}")
                spoilt.append(SpoiltEntry(entry_id, line, is_refused=True))
            except (OSError, ValueError, RecursionError) as error:
                line = one_line(f"the ledger entry {path} cannot be read: {_explained(error)}")
                spoilt.append(SpoiltEntry(entry_id, line))
            if name == ledger_files.lapsed(entry_id):
                lapsed.add(entry_id)
        return Contents(entries, frozenset(lapsed), spoilt)

    def find(self, entry_id: str) -> Entry | None:
        """Read one entry, and load only its kind; None when there is none, or it cannot be read. Raises LedgerRefused."""
        return self.read(entry_id).entries.get(entry_id)

    def is_kept(self, entry_id: str) -> bool:
        """Return whether a fault still belongs to its owner, and has not lapsed."""
        try:
            with ledger_files.opened(self.directory) as folder:
                return ledger_files.is_there(folder, ledger_files.kept(entry_id))
        except (OSError, LedgerRefused):
            return False

    def lapse(self, entry_id: str) -> None:
        """Take a fault from its owner, which will notice; an entry that was removed meanwhile is not an error."""
        ledger_files.lapse(self.directory, entry_id)

    def remove(self, entry_id: str) -> None:
        """Remove the entry of a fault that is undone; raises FaultNotHealed."""
        try:
            ledger_files.remove(self.directory, entry_id)
        except (OSError, LedgerRefused) as error:
            raise FaultNotHealed(f"it is undone, but its ledger entry cannot be removed: {error}") from error


def _explained(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_url=False)
    )
