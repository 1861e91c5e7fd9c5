"""The command of a container under pressure, run on this machine: it ends by itself, in time."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from alertdrill.chaos.kubernetes.pressure import command
from tests.support.processes import children, command_line


def programs_below(pid: int) -> dict[str, int]:
    """Return the programs that a process has started, and their numbers."""
    return {command_line(child).partition(" ")[0]: child for child in children(pid)}


def test_the_command_ends_by_itself_after_its_time() -> None:
    began = time.monotonic()
    subprocess.run(command(1, 8, 1, int(time.time()) + 60), check=True, timeout=60)
    assert time.monotonic() - began >= 0.9


def test_a_command_that_starts_too_late_ends_at_once() -> None:
    subprocess.run(command(1, 8, 3600, int(time.time()) - 1), check=True, timeout=60)


def test_the_command_ends_when_its_pod_is_deleted() -> None:
    with subprocess.Popen(command(1, 0, 3600, int(time.time()) + 60)) as running:
        while (busy := programs_below(running.pid).get("timeout")) is None:
            time.sleep(0.05)
        try:
            running.terminate()
            assert running.wait(60) == 0
        finally:
            # In a container it ends with the first process.
            os.kill(busy, signal.SIGTERM)
