"""Entries that a person gave up: no undo of them succeeded, and none is tried any more.

The record of such an end is signed like an entry, and lies in the folder `given-up` of the ledger. It is not in force.
"""

from __future__ import annotations

import os
import pwd
import socket
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotHealed, LedgerRefused
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.units.settings import Settings
from alertdrill.units.text import one_line

_MOST_BYTES_OF_A_FILE = 64 * 1024


class GivenUp(Settings):
    """The record: who gave up which entry, when (Unix seconds), why, and what was left broken.

    `entry` is the whole entry; of a damaged one there is `file`, the text that its file held.
    """

    given_up_at: float
    by: str
    because: str
    left: str
    entry: dict[str, Any] | None = None
    file: str | None = None

    @property
    def fault(self) -> str:
        """The fault and its target, as far as the entry says so."""
        return f"{self.entry['fault']} on {self.entry['target']}" if self.entry else "unknown: the entry was damaged"


def left_broken(entry: Entry, problem: str = "") -> str:
    """Return what an entry that is not undone may leave broken, why it is not undone, and how a person undoes it."""
    said = [f"{entry.fault} on {entry.target} may still be in force", problem, _by_hand(entry.injection)]
    return "; ".join(filter(None, said))


def _by_hand(injection: Injection) -> str:
    return f"to undo it by hand: {injection.by_hand}" if injection.by_hand else ""


def record_end(ledger: Ledger, entry_id: str, entry: Entry | None, because: str, left: str) -> Path:
    """Record the end of an entry, then remove it, and return the path of the record; `entry` is None for a damaged one.

    Raises FaultNotHealed when the record cannot be written or the entry cannot be removed: then the entry is still there.
    """
    kept = None if entry is None else entry.model_dump(mode="json")
    file = None if entry is not None else _text(ledger.directory, entry_id)
    record = GivenUp(given_up_at=time.time(), by=_by(), because=because, left=left, entry=kept, file=file)
    try:
        path = ledger_files.write_given_up(ledger.directory, entry_id, record.model_dump(mode="json"))
        ledger_files.remove(ledger.directory, entry_id)
    except (OSError, LedgerRefused) as error:
        raise FaultNotHealed(
            f"{one_line(entry_id)} cannot be given up, so its entry stays: {one_line(error)}"
        ) from error
    return path


def read_records(ledger: Ledger) -> tuple[dict[str, GivenUp], list[str]]:
    """Read the records by id, the oldest first, and a line for each that is damaged or was not written by this program.

    Raises LedgerRefused when other users control the folder, or when it cannot be read.
    """
    records, problems = {}, []
    try:
        found = ledger_files.read_given_up(ledger.directory)
    except OSError as error:
        raise LedgerRefused(f"{ledger.directory / ledger_files.GIVEN_UP} cannot be read: {error.strerror}") from error
    for entry_id, written in found.items():
        path = ledger.directory / ledger_files.GIVEN_UP / ledger_files.kept(entry_id)
        if isinstance(written, str):
            problems.append(one_line(f"the record {path} is not read: it {written}"))
            continue
        try:
            records[entry_id] = GivenUp.model_validate(written)
        except ValidationError:
            problems.append(one_line(f"the record {path} is not read: it is damaged"))
    return dict(sorted(records.items(), key=lambda one: one[1].given_up_at)), problems


def _text(directory: Path, entry_id: str) -> str | None:
    with ledger_files.opened(directory) as folder:
        content = ledger_files.content_of(folder, entry_id, _MOST_BYTES_OF_A_FILE)
    return content.decode(errors="backslashreplace") if content is not None else None


def _by() -> str:
    """Name who runs this: the user, and before `sudo` the one who called it, and the machine."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = f"user {os.geteuid()}"
    caller = os.environ.get("SUDO_USER")
    return f"{user}{f' (for {caller})' if caller else ''} on {socket.gethostname()}"
