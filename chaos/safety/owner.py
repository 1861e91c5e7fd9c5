"""The process that a fault belongs to, distinct from a later process with the same number.

The watchdog reads this before anything else, so it imports little.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from alertdrill.chaos.machine.proc_stat import boot_id, read_stat


@dataclass(frozen=True)
class Owner:
    """A process by its number, its start in clock ticks since the boot, and the boot."""

    pid: int
    started: int
    boot: str

    @classmethod
    def this_process(cls) -> Owner:
        """Describe the running process."""
        stat = read_stat(os.getpid())
        assert stat is not None  # noqa: S101 - it runs
        return cls(os.getpid(), stat.started_ticks, boot_id())

    @property
    def is_stopped(self) -> bool:
        """Whether a signal or a debugger stopped the process."""
        stat = read_stat(self.pid)
        return stat is not None and stat.state in "Tt"

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs; a stopped one does, a zombie does not."""
        stat = read_stat(self.pid)
        return stat is not None and not stat.has_ended and self.started == stat.started_ticks and self.boot == boot_id()
