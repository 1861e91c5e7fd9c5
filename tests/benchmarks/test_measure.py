from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.errors import BenchmarkError

BURN = "import time\nwhile time.process_time() < 0.5: pass\n"
HOLD = """
import sys, time
from pathlib import Path
block = bytearray(b"x") * 60_000_000
while not Path(sys.argv[1]).exists():
    time.sleep(0.02)
"""


Watch = Callable[[float, int], None]


def run(directory: Path, *command: str, within_seconds: float = 60.0, watch: Watch = lambda *_: None) -> measure.Usage:
    return measure.run_command(list(command), directory, within_seconds=within_seconds, every_seconds=0.02, watch=watch)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_cpu_of_children_is_counted(tmp_path: Path) -> None:
    both = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\n{BURN}"
    assert run(tmp_path, sys.executable, "-c", both).cpu_seconds >= 1.0


def test_waiting_costs_no_cpu(tmp_path: Path) -> None:
    usage = run(tmp_path, "sleep", "0.5")
    assert usage.wall_seconds >= 0.5
    assert usage.cpu_seconds < 0.25


def test_memory_is_summed_over_the_tree_and_known_for_its_largest_process(tmp_path: Path) -> None:
    over = tmp_path / "over"
    hold = f"[sys.executable, '-c', {HOLD!r}, {str(over)!r}]"
    twice = f"import subprocess, sys\nfor one in [subprocess.Popen({hold}) for _ in '12']: one.wait()"

    def watch(_: float, kib: int) -> None:
        if kib * 1024 > 120_000_000:
            over.touch()

    usage = run(tmp_path, sys.executable, "-c", twice, watch=watch)
    assert usage.tree_kib * 1024 > 120_000_000
    assert 60_000_000 < usage.process_kib * 1024 < 120_000_000


def test_a_small_program_does_not_have_the_size_of_its_starter(tmp_path: Path) -> None:
    block = bytearray(b"x") * 100_000_000
    usage = run(tmp_path, "sleep", "0.2")
    assert usage.process_kib * 1024 < 20_000_000 < len(block)


def test_the_output_is_kept_in_the_folder(tmp_path: Path) -> None:
    run(tmp_path, "sh", "-c", "echo said; echo complained >&2")
    assert (tmp_path / measure.STDOUT).read_text() == "said\n"
    assert (tmp_path / measure.STDERR).read_text() == "complained\n"


def test_a_failed_program_is_reported_with_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="ended with 3: no such target"):
        run(tmp_path, "sh", "-c", "echo no such target >&2; exit 3")


def test_every_process_of_a_hanging_pipeline_is_killed(tmp_path: Path) -> None:
    pids = [tmp_path / "first", tmp_path / "second"]
    first, second = (f"sh -c 'echo $$ >{pid}; exec sleep 60'" for pid in pids)
    with pytest.raises(BenchmarkError, match="still runs after 10 s"):
        run(tmp_path, "sh", "-c", f"{first} | {second}", within_seconds=10)
    deadline = time.monotonic() + 60
    while any(is_alive(int(pid.read_text())) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(is_alive(int(pid.read_text())) for pid in pids)


def test_each_sample_is_passed_on(tmp_path: Path) -> None:
    samples, over = list[tuple[float, int]](), tmp_path / "over"

    def watch(elapsed: float, kib: int) -> None:
        samples.append((elapsed, kib))
        if len(samples) == 3:
            over.touch()

    run(tmp_path, "sh", "-c", f"until [ -e {over} ]; do sleep 0.01; done", watch=watch)
    assert len(samples) >= 3
    assert samples == sorted(samples, key=lambda sample: sample[0])
    assert all(kib > 0 for _, kib in samples)
