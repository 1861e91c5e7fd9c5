"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def name_beside(path: Path) -> Path:
    """Make a name in the same folder that no other file has."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file beside its place, then rename it, so that no half of one is ever there.

    Raises OSError, with nothing left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = name_beside(path)
    try:
        with beside.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
