"""One process as /proc/PID/stat shows it: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html.

The watchdog and the embedded Toxiproxy read this at their start, so it imports little.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Stat:
    """The letter of a process's state, its parent, its process group, and what it uses.

    Times are in clock ticks, the start since the boot; resident memory is in pages.
    """

    state: str
    parent: int
    group: int
    cpu_ticks: int
    started_ticks: int
    virtual_bytes: int
    resident_pages: int

    @property
    def has_ended(self) -> bool:
        """Whether the process only waits for its parent to read its exit code; a stopped process has not ended."""
        return self.state in "ZXx"


def read_stat(pid: int) -> Stat | None:
    """Read the state of a process; None when there is none of that number."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is a name in parentheses, which may itself hold parentheses and spaces.
    fields = text.rpartition(")")[2].split()
    return Stat(
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        started_ticks=int(fields[19]),
        virtual_bytes=int(fields[20]),
        resident_pages=int(fields[21]),
    )


def boot_id() -> str:
    """Return the id that this boot of the machine has and no other."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
