"""Who a fault belongs to: a process, told from a later one with the same number.

The watchdog reads this before anything else, so it imports little.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Owner:
    """A process by its number, its start in clock ticks since the boot, and which boot that was."""

    pid: int
    started: int
    boot: str

    @classmethod
    def this_process(cls) -> Owner:
        """Tell who we are."""
        state = _state(os.getpid())
        assert state is not None  # noqa: S101 - we run
        return cls(os.getpid(), state[1], _boot())

    @property
    def is_alive(self) -> bool:
        """Tell whether the process still runs; a stopped one does, one that only waits to be reaped does not."""
        state = _state(self.pid)
        return state is not None and state[0] not in "ZX" and self.started == state[1] and self.boot == _boot()


def _boot() -> str:
    return _BOOT.read_text().strip()


def _state(pid: int) -> tuple[str, int] | None:
    """Read the state letter and the start of a process: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is a name in brackets, which may itself hold brackets and spaces.
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[19])
