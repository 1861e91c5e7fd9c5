"""The ledger: the faults in force, one file each, written and synced before a fault is injected.

`ID.json` is a fault that its owner keeps in force. A process that takes it from a living owner (the watchdog when the
owner hangs, `heal --force`) first renames it to `ID.lapsed.json`, so that the owner notices. The file is removed when
the fault is undone and cannot be injected any more: by the owner, or by another process when the owner is dead.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.entry import Entry


@dataclass(frozen=True)
class Contents:
    """The contents of a ledger: entries by id, the ids that lapsed, and a line for each unreadable entry."""

    entries: dict[str, Entry]
    lapsed: frozenset[str]
    unreadable: list[str]


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
        path = ledger_files.kept(self.directory, entry_id)
        beside = path.with_suffix(".tmp")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                file.write(entry.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
            _sync(self.directory)
        except OSError as error:
            for left in (beside, path):
                with contextlib.suppress(OSError):
                    left.unlink()
            raise FaultNotApplied(f"the ledger {path} cannot be written, so nothing is broken: {error}") from error

    def read(self) -> Contents:
        """Read all entries; an unreadable one is reported and does not hide the others."""
        entries, lapsed, unreadable = {}, set(), []
        for entry_id, path in ledger_files.entry_files(self.directory):
            try:
                entries[entry_id] = Entry.model_validate(json.loads(path.read_text(encoding="utf-8")))
            except FileNotFoundError:
                continue  # removed, or lapsed, since the listing
            except (OSError, ValueError, ValidationError) as error:
                unreadable.append(f"the ledger entry {path} cannot be read: {_one_line(error)}")
            if path == ledger_files.lapsed(self.directory, entry_id):
                lapsed.add(entry_id)
        return Contents(entries, frozenset(lapsed), unreadable)

    def find(self, entry_id: str) -> Entry | None:
        """Read one entry; None when there is none, or when it cannot be read."""
        return self.read().entries.get(entry_id)

    def is_kept(self, entry_id: str) -> bool:
        """Return whether a fault still belongs to its owner, and has not lapsed."""
        return ledger_files.kept(self.directory, entry_id).exists()

    def lapse(self, entry_id: str) -> None:
        """Take a fault from its owner, which will notice; an entry that was removed meanwhile is not an error."""
        ledger_files.lapse(self.directory, entry_id)

    def remove(self, entry_id: str) -> None:
        """Remove the entry of a fault that is undone; raises FaultNotHealed."""
        try:
            for path in (ledger_files.kept(self.directory, entry_id), ledger_files.lapsed(self.directory, entry_id)):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise FaultNotHealed(f"it is undone, but its ledger entry cannot be removed: {error}") from error


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _one_line(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_url=False)
    )
