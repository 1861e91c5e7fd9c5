"""Writing files completely or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from alertdrill.agent.errors import ConfigError


def name_beside(path: Path) -> Path:
    """Return a path in the same folder that no other file has."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file under another name, then rename it: no reader ever sees half of it. Other users cannot read it.

    Raises OSError, and then leaves no file behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = name_beside(path)
    try:
        # Only for this user: what a drill saw can be confidential.
        new = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(new, "wb") as file:
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
