"""Where the ledger keeps an entry: `ID.json` is its owner's, `ID.lapsed.json` was taken from it.

The watchdog works with these before it loads anything else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


def kept(directory: Path, entry_id: str) -> Path:
    """Name the file of an entry that is its owner's."""
    return directory / f"{entry_id}.json"


def lapsed(directory: Path, entry_id: str) -> Path:
    """Name the file of an entry that was taken from its owner."""
    return directory / f"{entry_id}.lapsed.json"


def lapse(directory: Path, entry_id: str) -> None:
    """Take an entry from its owner, who will notice; one that is struck out meanwhile is no error."""
    # Where even that cannot be written, undoing the fault matters more than telling its owner.
    with contextlib.suppress(OSError):
        kept(directory, entry_id).rename(lapsed(directory, entry_id))


def entry_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """List the entries by id; an entry that just lapses may stand there twice, or not at all."""
    for path in sorted(directory.glob("alertdrill-*.json")):
        yield path.name.removesuffix(".json").removesuffix(".lapsed"), path
