"""The command of a container under pressure, run on this machine: it ends by itself, in time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from alertdrill.chaos.kubernetes.pressure import command


def programs_below(pid: int) -> dict[bytes, int]:
    """Return the programs that a process has started, and their numbers."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            found[Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]] = int(child)
    return found


def test_the_command_ends_by_itself_after_its_time() -> None:
    began = time.monotonic()
    subprocess.run(command(1, 8, 1, int(time.time()) + 60), check=True, timeout=60)
    assert time.monotonic() - began >= 0.9


def test_a_command_that_starts_too_late_ends_at_once() -> None:
    subprocess.run(command(1, 8, 3600, int(time.time()) - 1), check=True, timeout=60)


def test_the_command_ends_when_its_pod_is_deleted() -> None:
    with subprocess.Popen(command(1, 0, 3600, int(time.time()) + 60)) as running:
        while (busy := programs_below(running.pid).get(b"timeout")) is None:
            time.sleep(0.05)
        try:
            running.terminate()
            assert running.wait(60) == 0
        finally:
            # In a container it ends with the first process.
            os.kill(busy, signal.SIGTERM)
