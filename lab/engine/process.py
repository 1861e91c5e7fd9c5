"""What the engine's process takes of its machine: CPU, memory, and bytes in and out."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SHORTEST_SECONDS = 0.1


class CpuUsage:
    """The CPU's use since the reading before."""

    def __init__(self) -> None:
        self._wall, self._cpu, self._percent = time.monotonic(), time.process_time(), 0.0

    def percent(self) -> float:
        """Per cent of one core, which is all that one event loop can take.

        Two scrapers at the same moment are told the same: a tenth of a second is the least that is measured.
        """
        wall, cpu = time.monotonic(), time.process_time()
        if wall - self._wall >= _SHORTEST_SECONDS:
            self._percent = 100.0 * (cpu - self._cpu) / (wall - self._wall)
            self._wall, self._cpu = wall, cpu
        return self._percent


def resident_bytes() -> int:
    """Tell how much memory this process occupies."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


class InputOutput:
    """Bytes in and out since the engine serves, as the kernel counts them (proc(5), /proc/PID/io).

    The bytes of all `read` and `write` calls are those of the sockets: libuv uses these calls for them, and the
    engine has no other file than its log. What the counting itself reads is taken off.
    """

    def __init__(self) -> None:
        self._own = 0
        self._at_start = {"rchar": 0, "wchar": 0, "read_bytes": 0, "write_bytes": 0}
        self._at_start = {name: self._read(name) for name in self._at_start}

    def network_receive_bytes(self) -> int:
        """Tell what sockets received."""
        own = self._own  # the kernel counts a read after it was answered
        return self._read("rchar") - own

    def network_transmit_bytes(self) -> int:
        """Tell what sockets sent."""
        return self._read("wchar")

    def disk_read_bytes(self) -> int:
        """Tell what came from the disk."""
        return self._read("read_bytes")

    def disk_write_bytes(self) -> int:
        """Tell what went, or will go, to the disk."""
        return self._read("write_bytes")

    def _read(self, name: str) -> int:
        text = Path("/proc/self/io").read_text(encoding="ascii")
        self._own += len(text)
        return int(text.partition(f"{name}: ")[2].partition("\n")[0]) - self._at_start[name]
