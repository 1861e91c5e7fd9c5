"""The folder of the ledger and its files, which obey only the user who runs this program.

`ID.json` belongs to its owner, `ID.lapsed.json` was taken from it. `given-up/ID.json` is the record of an entry that a
person gave up; it is not in force. `key` signs every entry and record, `watchdog.log` is the watchdog's. The folders have
mode 0700 and the files 0600. Each file is opened relative to the opened folder and without following links, so that
nobody can exchange what was checked.

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
GIVEN_UP = "given-up"
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
    _write_synced(folder, entry_id, _signed(_made_key(folder), entry_id, json.loads(text)))


def rewrite_entry(folder: int, entry_id: str, text: str) -> None:
    """Write an entry of this process again, and sync it; one that lapsed stays lapsed, one that was removed stays so.

    Raises OSError and LedgerRefused; then the entry is as it was.
    """
    signed = _signed(_made_key(folder), entry_id, json.loads(text))
    name = next((one for one in (kept(entry_id), lapsed(entry_id)) if is_there(folder, one)), None)
    if name is None:
        return
    beside = f"{entry_id}.tmp"
    try:
        _write_new(folder, beside, signed)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=folder)
        raise
    # It lapsed between the look and the renaming: its owner must notice that all the same.
    if name == kept(entry_id) and is_there(folder, lapsed(entry_id)):
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, lapsed(entry_id), src_dir_fd=folder, dst_dir_fd=folder)


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
    if not _is_signed(folder, entry_id, written, signature):
        raise LedgerRefused(
            "was not signed with the key of this ledger, so it was copied or changed: "
            "undo it by hand if it is in force, then remove the file"
        )
    return dict(written)


def content_of(folder: int, entry_id: str, most_bytes: int) -> bytes | None:
    """Read the beginning of an entry's file, whatever it holds; None if it is not a file of this user, or cannot be read."""
    for name in (kept(entry_id), lapsed(entry_id)):
        with contextlib.suppress(OSError, LedgerRefused):
            return _read_own(folder, name)[:most_bytes]
    return None


def write_given_up(directory: Path, entry_id: str, record: dict[str, Any]) -> Path:
    """Sign the record of an entry that is given up, write it, sync it, and return its path.

    Raises OSError and LedgerRefused, and then leaves no record.
    """
    with made(directory) as folder, made(directory / GIVEN_UP) as records:
        _write_synced(records, entry_id, _signed(_made_key(folder), _record_id(entry_id), record))
        os.fsync(folder)
    return directory / GIVEN_UP / kept(entry_id)


def read_given_up(directory: Path) -> dict[str, dict[str, Any] | str]:
    """Read the records of entries that were given up, by id; in the place of a damaged or foreign one is the reason.

    Raises OSError and LedgerRefused.
    """
    found: dict[str, dict[str, Any] | str] = {}
    try:
        with opened(directory) as folder, opened(directory / GIVEN_UP) as records:
            for entry_id, name in entry_names(records):
                try:
                    written = json.loads(_read_own(records, name))
                    signature = str(written.pop(_SIGNATURE))
                    is_ours = _is_signed(folder, _record_id(entry_id), written, signature)
                    found[entry_id] = written if is_ours else "was not signed with the key of this ledger"
                except (LedgerRefused, OSError) as error:
                    found[entry_id] = str(error)
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                    found[entry_id] = "is damaged"
    except FileNotFoundError:
        return {}
    return found


def _record_id(entry_id: str) -> str:
    # So that a record is not valid as an entry.
    return f"{GIVEN_UP}/{entry_id}"


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


def _signed(key: bytes, entry_id: str, content: dict[str, Any]) -> str:
    return json.dumps(content | {_SIGNATURE: _signature(key, entry_id, content)})


def _is_signed(folder: int, entry_id: str, content: dict[str, Any], signature: str) -> bool:
    try:
        key = _read_key(folder)
    except FileNotFoundError:
        return False
    return hmac.compare_digest(signature.encode(), _signature(key, entry_id, content).encode())


def _signature(key: bytes, entry_id: str, entry: dict[str, Any]) -> str:
    """Sign an entry together with its id, so that it is not valid under another name."""
    written = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, f"{entry_id}\n{written}".encode(), hashlib.sha256).hexdigest()


def _write_synced(folder: int, entry_id: str, signed: str) -> None:
    """Write the file of an entry or a record, and sync it; raises OSError, and then leaves none."""
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
