"""What the engine's process uses: CPU, memory, network and disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SHORTEST_SECONDS = 0.1


class CpuUsage:
    """The CPU usage since the previous reading."""

    def __init__(self) -> None:
        self._wall, self._cpu, self._percent = time.monotonic(), time.process_time(), 0.0

    def percent(self) -> float:
        """Return the usage in per cent of one core, the most that one event loop can use.

        It is measured over at least a tenth of a second, so that two simultaneous scrapers get the same value.
        """
        wall, cpu = time.monotonic(), time.process_time()
        if wall - self._wall >= _SHORTEST_SECONDS:
            self._percent = 100.0 * (cpu - self._cpu) / (wall - self._wall)
            self._wall, self._cpu = wall, cpu
        return self._percent


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


class InputOutput:
    """Bytes in and out since the engine's start, as the kernel counts them (proc(5), /proc/PID/io).

    The bytes of all `read` and `write` calls are taken as network traffic: libuv uses these calls for sockets, and the
    engine's only file is its log. The bytes that this class itself reads from /proc are subtracted.
    """

    def __init__(self) -> None:
        self._own = 0
        self._at_start = {"rchar": 0, "wchar": 0, "read_bytes": 0, "write_bytes": 0}
        self._at_start = {name: self._read(name) for name in self._at_start}

    def network_receive_bytes(self) -> int:
        """Return the bytes received from sockets."""
        own = self._own  # the kernel counts a read only after it returned
        return self._read("rchar") - own

    def network_transmit_bytes(self) -> int:
        """Return the bytes sent to sockets."""
        return self._read("wchar")

    def disk_read_bytes(self) -> int:
        """Return the bytes read from the disk."""
        return self._read("read_bytes")

    def disk_write_bytes(self) -> int:
        """Return the bytes that were or will be written to the disk."""
        return self._read("write_bytes")

    def _read(self, name: str) -> int:
        text = Path("/proc/self/io").read_text(encoding="ascii")
        self._own += len(text)
        return int(text.partition(f"{name}: ")[2].partition("\n")[0]) - self._at_start[name]
