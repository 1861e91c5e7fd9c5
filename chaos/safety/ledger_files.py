"""The files of the ledger: `ID.json` belongs to its owner, `ID.lapsed.json` was taken from it.

The watchdog uses these before it loads anything else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


def kept(directory: Path, entry_id: str) -> Path:
    """Return the file of an entry that belongs to its owner."""
    return directory / f"{entry_id}.json"


def lapsed(directory: Path, entry_id: str) -> Path:
    """Return the file of an entry that was taken from its owner."""
    return directory / f"{entry_id}.lapsed.json"


def lapse(directory: Path, entry_id: str) -> None:
    """Take an entry from its owner, which will notice; an entry that was removed meanwhile is not an error."""
    # If that fails, undoing the fault matters more than notifying its owner.
    with contextlib.suppress(OSError):
        kept(directory, entry_id).rename(lapsed(directory, entry_id))


def entry_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """List the entries by id; an entry that is lapsing may appear twice, or not at all."""
    for path in sorted(directory.glob("alertdrill-*.json")):
        yield path.name.removesuffix(".json").removesuffix(".lapsed"), path
