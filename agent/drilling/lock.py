"""A lock that lets only one drill run on a target: a second drill would see the effects of the first one's fault.

It is a kernel lock on a file, so the kernel releases it however the process ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alertdrill.agent.errors import ConfigError


@contextmanager
def locked(directory: Path, target: str, drill: str) -> Iterator[None]:
    """Hold the lock of a target for the length of the block.

    Raises ConfigError, which names the drill that holds the lock, or says why no lock can be made.
    """
    name = hashlib.sha256(target.encode()).hexdigest()[:16]
    path = directory / f"drill-{name}.lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: the lock cannot be made there: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"{_holder(path)} drills {target} already: wait for its end") from error
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "drill": drill, "since": time.time()}))
        file.flush()
        try:
            yield
        finally:
            # Do not delete the file: another process may have it open, and would lock a deleted file.
            file.truncate(0)


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return f"drill {held['drill']} of process {held['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
