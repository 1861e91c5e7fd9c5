"""A folder that goes away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_by_a_file(folder: Path) -> Iterator[None]:
    """Put a file in the place of a folder: nobody, root neither, can write there then."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)
