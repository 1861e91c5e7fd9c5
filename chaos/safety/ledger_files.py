"""The folder of the ledger and its files, which obey only the user who runs this program.

`ID.json` belongs to its owner, `ID.lapsed.json` was taken from it. `key` signs every entry, `watchdog.log` is the
watchdog's. The folder has mode 0700 and the files 0600. Each file is opened relative to the opened folder and without
following links, so that nobody can exchange what was checked.

The watchdog uses this before it loads anything else, so it imports little.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import json
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alertdrill.chaos.errors import LedgerRefused

KEY = "key"
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC
_SIGNATURE = "signature"
_KEY_BYTES = 32
# The largest entries hold a manifest.
_MOST_BYTES = 4 * 1024 * 1024


def kept(entry_id: str) -> str:
    """Return the name of the file of an entry that belongs to its owner."""
    return f"{entry_id}.json"


def lapsed(entry_id: str) -> str:
    """Return the name of the file of an entry that was taken from its owner."""
    return f"{entry_id}.lapsed.json"


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    """Open the folder for the length of the block, as a descriptor.

    Raises LedgerRefused for a folder that other users control, and OSError.
    """
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    except OSError as error:
        if directory.is_symlink():
            msg = f"{directory}: the ledger is a link: set `ledger` in agent.yml to the folder itself"
            raise LedgerRefused(msg) from error
        raise
    try:
        if problem := _problem(os.fstat(folder), f"chmod 700 {directory}"):
            raise LedgerRefused(f"{directory}: {problem}, or set another `ledger` in agent.yml")
        yield folder
    finally:
        os.close(folder)


@contextmanager
def made(directory: Path) -> Iterator[int]:
    """Make the folder if there is none, and open it; an older version's folder gets the mode 0700."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    with opened(directory) as folder:
        if os.fstat(folder).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            os.fchmod(folder, 0o700)
        yield folder


def entry_names(folder: int) -> Iterator[tuple[str, str]]:
    """List the entries by id, with their file names; an entry that is lapsing may appear twice, or not at all."""
    for name in sorted(os.listdir(folder)):
        if name.startswith("alertdrill-") and name.endswith(".json"):
            yield name.removesuffix(".json").removesuffix(".lapsed"), name


def write_entry(folder: int, entry_id: str, text: str) -> None:
    """Sign an entry (JSON), write it, and sync it; raises OSError and LedgerRefused, and then leaves no entry."""
    entry = json.loads(text)
    signed = json.dumps(entry | {_SIGNATURE: _signature(_made_key(folder), entry_id, entry)})
    beside = f"{entry_id}.tmp"
    try:
        _write_new(folder, beside, signed)
        os.rename(beside, kept(entry_id), src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError:
        for left in (beside, kept(entry_id)):
            with contextlib.suppress(OSError):
                os.unlink(left, dir_fd=folder)
        raise


def read_entry(folder: int, name: str, entry_id: str) -> dict[str, Any]:
    """Read an entry that this program wrote.

    Raises LedgerRefused for any other file, ValueError for a damaged one, and OSError.
    """
    written = json.loads(_read_own(folder, name))
    signature = written.pop(_SIGNATURE, None) if isinstance(written, dict) else None
    if not isinstance(signature, str):
        raise LedgerRefused(
            "has no signature, so an older version of alertdrill wrote it, or somebody else did: "
            "run `alertdrill heal` of the older version, or undo it by hand; then remove the file"
        )
    try:
        key = _read_key(folder)
    except FileNotFoundError:
        key = b""
    if not key or not hmac.compare_digest(signature.encode(), _signature(key, entry_id, written).encode()):
        raise LedgerRefused(
            "was not signed with the key of this ledger, so it was copied or changed: "
            "undo it by hand if it is in force, then remove the file"
        )
    return dict(written)


def is_there(folder: int, name: str) -> bool:
    """Return whether there is such a file."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def lapse(directory: Path, entry_id: str) -> None:
    """Take an entry from its owner, which will notice; an entry that was removed meanwhile is not an error."""
    # If that fails, undoing the fault matters more than notifying its owner.
    with contextlib.suppress(OSError, LedgerRefused), opened(directory) as folder:
        os.rename(kept(entry_id), lapsed(entry_id), src_dir_fd=folder, dst_dir_fd=folder)


def remove(directory: Path, entry_id: str) -> None:
    """Remove an entry; raises OSError and LedgerRefused."""
    with opened(directory) as folder:
        for name in (kept(entry_id), lapsed(entry_id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


def append(directory: Path, name: str, line: str) -> None:
    """Add a line to a log; raises OSError and LedgerRefused."""
    with opened(directory) as folder:
        log = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OPEN, 0o600, dir_fd=folder)
        with os.fdopen(log, "w", encoding="utf-8") as file:
            file.write(line)


def _made_key(folder: int) -> bytes:
    """Read the key, and make it if there is none; of two that are made at once the first stays."""
    with contextlib.suppress(FileNotFoundError):
        return _read_key(folder)
    beside = f"{KEY}.{os.urandom(4).hex()}.tmp"
    try:
        _write_new(folder, beside, f"{os.urandom(_KEY_BYTES).hex()}\n")
        # Unlike a renamed file, a linked one never replaces another.
        with contextlib.suppress(FileExistsError):
            os.link(beside, KEY, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=folder)
    return _read_key(folder)


def _read_key(folder: int) -> bytes:
    try:
        key = _read_own(folder, KEY).strip()
    except LedgerRefused as error:
        raise LedgerRefused(f"cannot be checked: the ledger's {KEY} {error}") from error
    if len(key) != 2 * _KEY_BYTES:
        raise LedgerRefused(f"cannot be checked: the ledger's {KEY} is damaged: remove both files")
    return key


def _signature(key: bytes, entry_id: str, entry: dict[str, Any]) -> str:
    """Sign an entry together with its id, so that it is not valid under another name."""
    written = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, f"{entry_id}\n{written}".encode(), hashlib.sha256).hexdigest()


def _write_new(folder: int, name: str, text: str) -> None:
    new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o600, dir_fd=folder)
    with os.fdopen(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read_own(folder: int, name: str) -> bytes:
    """Read a file of this user; raises LedgerRefused for a link, another owner, or a mode that lets others write."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for ever.
        file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LedgerRefused("is a link, and alertdrill makes none: remove it") from error
        raise
    with os.fdopen(file, "rb") as opened_file:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise LedgerRefused("is not a file: remove it")
        if problem := _problem(status, "remove it"):
            raise LedgerRefused(problem)
        content = opened_file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise LedgerRefused("is larger than any entry: remove it")
    return content


def _problem(status: os.stat_result, remedy: str) -> str:
    """Return why a file or a folder is not this user's alone, and what to do; empty if it is."""
    if status.st_uid != os.geteuid():
        return f"belongs to {_user(status.st_uid)}, but alertdrill runs as {_user(os.geteuid())}: run it as that user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write it, so they could give orders: look at what it holds, then {remedy}"
    return ""


def _user(number: int) -> str:
    try:
        return f"the user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"the user {number}"
