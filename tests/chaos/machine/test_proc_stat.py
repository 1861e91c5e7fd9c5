"""A process as /proc/PID/stat shows it agrees with the kernel's other accounts of it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from alertdrill.chaos.machine.proc_stat import read_stat

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_BUSY = """
import ctypes, resource, sys
# The name of the process, as in /proc/PID/stat.
ctypes.CDLL(None).prctl(15, b"a) R (b c", 0, 0, 0)
while sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) < 0.5:
    pass
print(*resource.getrusage(resource.RUSAGE_SELF)[:2], flush=True)
sys.stdin.read()
"""


def test_all_fields_of_a_process_with_a_difficult_name_are_read() -> None:
    with subprocess.Popen([sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        used_seconds = sum(map(float, process.stdout.readline().split()))
        stat = read_stat(process.pid)
        statm = Path(f"/proc/{process.pid}/statm").read_text().split()
        before = read_stat(os.getpid())
        process.stdin.close()
    assert stat is not None
    assert before is not None
    assert (stat.parent, stat.group, stat.has_ended) == (os.getpid(), os.getpgid(0), False)
    assert stat.started_ticks >= before.started_ticks
    # The process waits since it printed its time, which is in ticks of user and of system time.
    assert used_seconds * _TICKS_PER_SECOND - 2 <= stat.cpu_ticks <= used_seconds * _TICKS_PER_SECOND + 10
    assert stat.virtual_bytes == int(statm[0]) * resource.getpagesize()
    assert 0 < stat.resident_pages <= int(statm[0])


def test_a_process_that_does_not_exist_has_no_state() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert read_stat(process.pid) is None
