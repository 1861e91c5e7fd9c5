"""The processes of this machine, read from /proc and signalled through pidfds.

A process number may belong to another process a moment later. So a process is identified by its number, its start time
and the boot. A pidfd refers to one process, so that no other takes its place between the look and the signal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from alertdrill.chaos.machine.proc_stat import PROC, boot_id, read_stat
from alertdrill.units.settings import Settings


class ProcessEnded(Exception):
    """The process has ended."""


class RunningProcess(Settings):
    """One process, and not a later one with the same number; `started_ticks` are clock ticks since the boot.

    `parent` is its parent at the time of the look. Of its command line only a digest is kept: it may hold a secret.
    """

    pid: int
    started_ticks: int
    boot_id: str
    parent: int
    uid: int
    program: str
    command_sha256: str

    @property
    def words(self) -> str:
        """Its number and its program."""
        return f"process {self.pid} ({self.program})"

    @property
    def state(self) -> str | None:
        """The letter of its state, such as S, or T for stopped; None when it has ended."""
        stat = read_stat(self.pid)
        if stat is None or stat.has_ended or stat.started_ticks != self.started_ticks or self.boot_id != boot_id():
            return None
        return stat.state

    @property
    def started_at(self) -> float:
        """Its start in Unix seconds, to the hundredth."""
        booted = next(line for line in (PROC / "stat").read_text().splitlines() if line.startswith("btime "))
        return int(booted.split()[1]) + self.started_ticks / os.sysconf("SC_CLK_TCK")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; raises ProcessEnded, or PermissionError."""
        with self._pidfd() as pidfd:
            try:
                signal.pidfd_send_signal(pidfd, number)
            except ProcessLookupError as error:
                raise ProcessEnded(self.words) from error

    @contextmanager
    def _pidfd(self) -> Iterator[int]:
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError as error:
            raise ProcessEnded(self.words) from error
        try:
            # Checked after opening: the number may have been given to another process before that.
            if self.state is None:
                raise ProcessEnded(self.words)
            yield pidfd
        finally:
            os.close(pidfd)


def digest(command: tuple[str, ...]) -> str:
    """Return the digest of a command line."""
    return sha256("\0".join(command).encode()).hexdigest()


def process(pid: int) -> RunningProcess | None:
    """Read a process; None when there is none of that number, or it has ended."""
    stat = read_stat(pid)
    if stat is None or stat.has_ended:
        return None
    try:
        command = _command(pid)
        uid = (PROC / str(pid)).stat().st_uid
    except OSError:
        return None
    return RunningProcess(
        pid=pid,
        started_ticks=stat.started_ticks,
        boot_id=boot_id(),
        parent=stat.parent,
        uid=uid,
        program=Path(command[0]).name if command else "",
        command_sha256=digest(command),
    )


def processes() -> Iterator[RunningProcess]:
    """Read all visible processes, in the order of their numbers."""
    for pid in _pids():
        found = process(pid)
        if found is not None:
            yield found


def named(name: str) -> list[RunningProcess]:
    """Find the processes whose program or kernel name (comm) is exactly this."""
    return [one for one in processes() if one.program and name in {one.program, _own_name(one.pid)}]


def with_command(is_wanted: Callable[[tuple[str, ...]], bool]) -> list[RunningProcess]:
    """Find processes by their command lines."""
    found = []
    for pid in _pids():
        with suppress(OSError):
            one = process(pid) if is_wanted(_command(pid)) else None
            found += [one] if one is not None else []
    return found


def with_sockets(inodes: set[str]) -> list[RunningProcess]:
    """Find the visible processes that have one of these sockets open."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = [process(pid) for pid in _pids() if any(link in wanted for link in _links(pid))] if wanted else []
    return [one for one in found if one is not None]


def children(parents: set[int]) -> list[RunningProcess]:
    """Find the living children of these processes."""
    return [one for one in processes() if one.parent in parents]


def in_group(number: int) -> list[RunningProcess]:
    """Find the processes of a process group; its number is that of its leader."""
    return [one for one in processes() if (stat := read_stat(one.pid)) is not None and stat.group == number]


def ancestors(pid: int) -> set[int]:
    """Return the numbers of a process and all its ancestors."""
    found = {pid}
    while (stat := read_stat(pid)) is not None and stat.parent not in found and stat.parent > 0:
        pid = stat.parent
        found.add(pid)
    return found


def _own_name(pid: int) -> str | None:
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text(errors="replace").rstrip("\n")
    return None


def _command(pid: int) -> tuple[str, ...]:
    words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
    return tuple(word.decode(errors="replace") for word in words)


def _pids() -> list[int]:
    return sorted(int(path.name) for path in PROC.iterdir() if path.name.isdecimal())


def _links(pid: int) -> Iterator[str]:
    """Yield the targets of the open files of a process; some processes have thousands."""
    directory = f"{PROC}/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(directory):  # noqa: PTH208 - a third of the time
            with suppress(OSError):
                yield os.readlink(f"{directory}/{name}")  # noqa: PTH115
