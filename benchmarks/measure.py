"""Runs a program and measures its CPU time and memory, including its child processes.

CPU is the user + system time that os.wait4 reports for the program: its own and that of every descendant whose parent
waited for it. Memory is read from /proc while the program runs. The maximum in rusage is kept too, but it is never
below the size of this process: the kernel starts the program's maximum at the size of the process that forked it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.servers import ROOT, find

STDOUT, STDERR = "stdout", "stderr"


@dataclass(frozen=True)
class Memory:
    """The memory of a tree of processes at one instant, in KiB; `peak_kib` has the kernel's peak of each process."""

    resident_kib: int
    peak_kib: dict[int, int]


@dataclass(frozen=True)
class Usage:
    """The CPU time and memory of one run of a program.

    `tree_kib` is the largest sampled sum of the resident memory of all processes; shared pages count for each process.
    `process_kib` is the kernel's peak of the largest process, read at the last sample.
    """

    cpu_seconds: float
    wall_seconds: float
    tree_kib: int
    process_kib: int
    rusage_kib: int


def run_command(
    command: list[str],
    directory: Path,
    *,
    within_seconds: float,
    every_seconds: float = 0.1,
    watch: Callable[[float, int], None] = lambda _seconds, _kib: None,
) -> Usage:
    """Run a command in the repository's root; its output goes to the files STDOUT and STDERR in the folder.

    `watch` is called with each sample: seconds since the start, resident KiB of the tree. Raises BenchmarkError with
    the end of the output when the command fails or takes longer than `within_seconds`.
    """
    with (directory / STDOUT).open("wb") as out, (directory / STDERR).open("wb") as err:
        started = time.monotonic()
        process = subprocess.Popen(
            [str(find("setpriv", "util-linux")), "--pdeathsig", "KILL", "--", *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            # In its own process group, so that all processes of a pipeline can be killed.
            start_new_session=True,
        )
    try:
        memories = _watch(process.pid, started, within_seconds, every_seconds, watch)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"ended with {process.returncode}: {_last_words(directory)}")
    return Usage(
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        wall_seconds=time.monotonic() - started,
        tree_kib=max((memory.resident_kib for memory in memories), default=0),
        process_kib=max((kib for memory in memories for kib in memory.peak_kib.values()), default=0),
        rusage_kib=usage.ru_maxrss,
    )


def _watch(
    pid: int, started: float, within_seconds: float, every_seconds: float, watch: Callable[[float, int], None]
) -> list[Memory]:
    """Sample until the process ends; the caller waits for it."""
    memories = []
    ended = os.pidfd_open(pid)
    try:
        while not select.select([ended], [], [], every_seconds)[0]:
            elapsed = time.monotonic() - started
            if elapsed > within_seconds:
                raise BenchmarkError(f"still runs after {within_seconds:g} s")
            memory = _memory(pid)
            # It may have ended just now.
            if memory.peak_kib:
                memories.append(memory)
                watch(elapsed, memory.resident_kib)
    finally:
        os.close(ended)
    return memories


def _memory(pid: int) -> Memory:
    fields = {one: _status(one) for one in _tree(pid)}
    peaks = {one: status["VmHWM"] for one, status in fields.items() if "VmHWM" in status}
    return Memory(sum(status.get("VmRSS", 0) for status in fields.values()), peaks)


def _tree(pid: int) -> list[int]:
    """Return a process and its running descendants."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text("ascii").split()]
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in _tree(child))]


def _status(pid: int) -> dict[str, int]:
    """Return the memory figures of /proc/PID/status in KiB; empty if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return {}
    fields = (line.split(":", 1) for line in lines if line.startswith("Vm"))
    return {name: int(value.split()[0]) for name, value in fields}


def _last_words(directory: Path) -> str:
    lines = [
        line for name in (STDERR, STDOUT) for line in (directory / name).read_text("utf-8", "replace").splitlines()
    ]
    return " | ".join(line for line in lines[-5:] if line.strip()) or "it printed nothing"
