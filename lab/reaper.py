"""Cleans up after a lab, also a killed one: `python -m alertdrill.lab.reaper DIRECTORY`, with a pipe as input.

The pipe closes when the lab's process ends, for whatever reason. Then the reaper kills the servers that still run
(only those whose working directory is in the lab's folder), and deletes the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PATIENCE_SECONDS = 4.0
_REAPED_WITHIN_SECONDS = 6.0


class Reaper:
    """A reaper process for one folder; start it before the servers in that folder."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "alertdrill.lab.reaper", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=Path(__file__).parents[2],  # the folder that holds the package alertdrill
        )

    async def reaped(self) -> None:
        """Make it remove the folder now, and wait up to six seconds for that."""
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.close()
        deadline = asyncio.get_running_loop().time() + _REAPED_WITHIN_SECONDS
        while self._process.poll() is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def main(directory: Path) -> None:
    """Wait for the lab to end, then kill its processes and delete its folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.buffer.read()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := _left(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


def _left(directory: Path) -> list[int]:
    try:
        pids = [int(line) for line in (directory / "pids").read_text().split()]
    except OSError:
        return []
    return [pid for pid in pids if _works_in(pid, directory)]


def _works_in(pid: int, directory: Path) -> bool:
    """Return whether a process works in the lab's folder: another process may have got its number by now."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(directory)
    except OSError:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
