"""Writing files completely or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from alertdrill.agent.errors import ConfigError


def name_beside(path: Path) -> Path:
    """Return a path in the same folder that no other file has."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is written or replaced; None while it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def private(path: str, flags: int) -> int:
    """Open a file for `open(…, opener=private)`: other users cannot read it if it is new; an old one keeps its mode."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


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


_RESERVED, _PART = ".reserved-", ".part"


class ReservedSpace:
    """The space on a disk for one file, which a file of this process holds until it is written."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def write(self, path: Path, content: bytes) -> None:
        """Write a file completely or not at all, in this space as far as it reaches; raises OSError."""
        left, at = memoryview(content), 0
        while left:
            written = os.pwrite(self._descriptor, left, at)
            left, at = left[written:], at + written
        os.ftruncate(self._descriptor, len(content))
        os.fsync(self._descriptor)
        self._path.rename(path)


@contextmanager
def reserved(directory: Path, size_bytes: int) -> Iterator[ReservedSpace]:
    """Hold space in a folder, which is made, for the length of the block.

    Raises ConfigError when there is not so much.
    """
    path = directory / f"{_RESERVED}{secrets.token_hex(8)}{_PART}"
    with ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(directory)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, descriptor)
            stack.callback(_unlink, path)
            # The lock tells others that this process lives.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.posix_fallocate(descriptor, 0, size_bytes)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(
                f"recordings cannot be written to {directory}: {reason} ({size_bytes // 2**20} MiB are needed)"
            ) from error
        yield ReservedSpace(descriptor, path)


def _unlink(path: Path) -> None:
    """Delete a file, unless the folder went away or cannot be written any more: what is left is deleted later."""
    with suppress(OSError):
        path.unlink()


def _remove_abandoned(directory: Path) -> None:
    """Delete the space of processes that are dead."""
    for path in directory.glob(f"{_RESERVED}*{_PART}"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A file that is not filled may belong to a process that has not locked it yet.
            if os.fstat(file.fileno()).st_size:
                path.unlink()
