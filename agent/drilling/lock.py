"""The lock of a drill's targets: on one machine only one drill breaks a target at a time, whoever runs it.

It is an advisory lock (flock) of one file for each target, in a folder that every user of the machine shares. The kernel
ends it with the process that holds it. The file holds who that is, for people; what stands there decides nothing, because
any user can write it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.machine.sockets import own_address
from alertdrill.chaos.machine.threads import in_thread

# In memory, for all users, and also there in a container whose file system is read-only.
FOLDER = Path("/dev/shm")  # noqa: S108 - no link is followed, and nobody's content is trusted
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NAME_WITHIN_SECONDS = 2.0
_MOST_BYTES = 1024


async def canonical(target: str) -> str:
    """Return one spelling for a target: of a URL only its address, and all names of this machine are one."""
    if "://" not in target and not re.fullmatch(r"[\w.-]+:\d+", target):
        return target
    parts = urlsplit(target if "://" in target else f"//{target}")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    return f"{'this machine' if await _is_here(host) else host}:{port}"


async def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        if ip_address(host).is_loopback:
            return True
        return own_address(host) is not None
    try:
        async with asyncio.timeout(_NAME_WITHIN_SECONDS):
            return await in_thread(own_address, host) is not None
    except TimeoutError:
        return False


class TargetBusy(ConfigError):
    """Another process holds the lock of a target."""


@contextmanager
def locked(directory: Path, targets: Iterable[str], drill: str) -> Iterator[None]:
    """Hold the locks of all targets for the length of the block.

    Raises TargetBusy, which names the drill that holds a lock, or ConfigError, which says why no lock can be made.
    """
    with ExitStack() as held:
        for target in sorted(set(targets)):
            held.enter_context(_locked(directory, target, drill))
        yield


@contextmanager
def _locked(directory: Path, target: str, drill: str) -> Iterator[None]:
    path = directory / f"alertdrill-{hashlib.sha256(target.encode()).hexdigest()[:16]}.lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = _taken(path, target)
    except OSError as error:
        raise ConfigError(f"{path}: the lock cannot be made there: {error.strerror or error}") from error
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "drill": drill, "since": time.time()}).encode(), 0)
        yield
    finally:
        # Another user's file stays there, and nobody holds it.
        with contextlib.suppress(OSError):
            os.ftruncate(lock, 0)
            path.unlink()
        os.close(lock)


@contextmanager
def only_agent(directory: Path, targets: Iterable[str]) -> Iterator[None]:
    """Keep other agents of this machine from using the same targets and folders for the length of the block.

    Raises ConfigError, which names the process of the other agent.
    """
    with ExitStack() as held:
        for target in sorted(set(targets)):
            try:
                held.enter_context(_locked(directory, f"agent {target}", "agent"))
            except TargetBusy as error:
                process = str(error).partition(" of ")[2].partition(" drills ")[0] or "another process"
                raise TargetBusy(f"an agent uses {target} already ({process}): end it first") from error
        yield


def _taken(path: Path, target: str) -> int:
    """Open and lock a file, and check that the path still names this file.

    The process that held the lock deletes it when it ends.
    """
    while True:
        lock = _opened(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(lock)
            os.close(lock)
            raise TargetBusy(f"{holder} drills {target} already: wait for its end") from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.lstat()):
                return lock
        os.close(lock)


def _opened(path: Path) -> int:
    try:
        lock = os.open(path, _OPEN)
    except FileNotFoundError:
        try:
            made = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return _opened(path)
        # Whatever the mask says: agents of other users lock the same file.
        os.fchmod(made, 0o666)
        return made
    status = os.fstat(lock)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(lock)
        raise OSError(errno.EPERM, "it is not a file of its own: remove it")
    return lock


def _holder(lock: int) -> str:
    try:
        held = json.loads(os.pread(lock, _MOST_BYTES, 0))
        drill, pid = str(held["drill"]), int(held["pid"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
    return f"drill {drill} of process {pid}" if re.fullmatch("[a-z0-9-]{1,200}", drill) else f"a drill of process {pid}"
