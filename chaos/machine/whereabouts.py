"""The place where a process is found: its pid file, its name, or the port on which it listens."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from alertdrill.chaos.machine.processes import RunningProcess, named, process, with_sockets
from alertdrill.chaos.machine.sockets import listening_inodes
from alertdrill.units.settings import Settings


class Whereabouts(Settings):
    """A pid file, an exact name, or a port (of `host`, or of any address)."""

    pid_file: str | None = None
    name: str | None = None
    port: int | None = None
    host: str | None = None

    @property
    def words(self) -> str:
        """The place, in words."""
        if self.pid_file is not None:
            return f"named by the pid file {self.pid_file}"
        if self.name is not None:
            return f"with the name {self.name!r}"
        return f"listening on {self.host or 'port'}{':' if self.host else ' '}{self.port}"

    def find(self) -> list[RunningProcess]:
        """Find the processes there now; it reads much of /proc, so call it in a thread."""
        if self.pid_file is not None:
            found = process(_pid(Path(self.pid_file)))
            return [found] if found is not None else []
        if self.name is not None:
            return named(self.name)
        assert self.port is not None  # noqa: S101 - one of the three is set
        return with_sockets(listening_inodes(self.port, self.host))

    async def accepts(self) -> bool:
        """Return whether the port accepts a connection; true if there is no port."""
        if self.port is None:
            return True
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                _, writer = await asyncio.open_connection(self.host or "localhost", self.port)
                writer.close()
                return True
        return False

    def is_served(self) -> bool:
        """Return whether any process listens on the port, also one that is not visible."""
        return self.port is not None and bool(listening_inodes(self.port, self.host))


def _pid(path: Path) -> int:
    """Read a pid file; returns 0, which no process has, when there is no file or no number in it."""
    try:
        return int(path.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
