"""What /proc tells of a process; nothing of one that has ended."""

from __future__ import annotations

from pathlib import Path


def command_line(pid: int | str) -> str:
    """Return the words of a process's command, each followed by a space; an empty text if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """Return the ids of the processes that the main thread of a process has started; none if it has ended."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []
