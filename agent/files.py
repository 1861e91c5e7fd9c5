"""Writing files completely or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from alertdrill.agent.errors import ConfigError


def name_beside(path: Path) -> Path:
    """Return a path in the same folder that no other file has."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def write_whole(path: Path, content: bytes | str, mode: int = 0o666) -> None:
    """Write a file under another name, then rename it: no reader ever sees half of it.

    The file has the permissions of `mode`, less those of the umask. Raises OSError, and then leaves no file behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = name_beside(path)
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def require_writable(directory: Path) -> None:
    """Raise ConfigError when recordings cannot be written to a folder; called before a drill."""
    probe = directory / ".writable.part"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"recordings cannot be written to {directory}: {error.strerror or error}") from error
