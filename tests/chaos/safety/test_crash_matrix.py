"""A share of `make crash-matrix`, and a check that the matrix is complete."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from alertdrill.chaos.registry import FAULTS
from crashing.cell import EVENTS, OF_THE_TARGET, Outcome
from crashing.matrix import Share, cells_of
from crashing.report import page
from crashing.steps import Steps, counted
from crashing.targets import TARGETS
from tests.support.processes import command_line

ROOT = Path(__file__).parents[3]
# Faults of a cluster need an API server: `make test-kubernetes`.
ELSEWHERE = {kind for kind, place in FAULTS.items() if place.startswith("alertdrill.chaos.kubernetes")}


def test_every_kind_of_fault_is_in_the_matrix(tmp_path: Path) -> None:
    tried = {class_(tmp_path, fault).fault["kind"] for class_, fault in TARGETS.values()}
    assert tried == FAULTS.keys() - ELSEWHERE


MATRIX = [sys.executable, "-m", "crashing.matrix"]
PATHS = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])}


def test_a_fault_is_undone_after_a_failure_at_any_step() -> None:
    command = [*MATRIX, "--sample", "1", "--workers", "2"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=PATHS)
    assert run.returncode == 0, run.stderr
    assert f"**{len(TARGETS)} of {len(TARGETS)} healed, given up by rule, or refused**" in run.stdout


def test_nothing_survives_a_killed_matrix(tmp_path: Path) -> None:
    command = [*MATRIX, "--fault", "slicer", "--workers", "1"]
    matrix = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT, env=PATHS | {"TMPDIR": str(tmp_path)})
    while matrix.poll() is None and not any("multiprocessing.spawn" in line for line in _of_folder(tmp_path).values()):
        time.sleep(0.05)
    matrix.kill()
    matrix.wait()
    deadline = time.monotonic() + 60
    while (left := _of_folder(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == {}


def _of_folder(folder: Path) -> dict[str, str]:
    """Return the command lines of the processes whose temporary folder this is, by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"TMPDIR={folder}\0".encode() in (process / "environ").read_bytes():
                found[process.name] = command_line(process.name)
    return found


@pytest.mark.parametrize("at", [1, "begin: rename"])
def test_steps_are_counted_and_the_event_comes_just_before_one(tmp_path: Path, at: int | str) -> None:
    there: list[bool] = []
    steps = Steps(at, lambda: there.append((tmp_path / "b").exists()))
    (tmp_path / "a").touch()
    with counted(steps):
        (tmp_path / "a").stat()
        (tmp_path / "made").mkdir()
        (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b").unlink()
    assert steps.names == ["begin: mkdir", "begin: rename"]
    assert there == [False]


@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_share_covers_every_event_and_every_step(every: int) -> None:
    steps = [f"step {number}" for number in range(30)]
    events = [*EVENTS, *OF_THE_TARGET]
    cells = cells_of(steps, events, Share(every=every), "latency")
    assert {event for event, _ in cells} == set(events)
    assert {at for _, at in cells} == set(range(30))
    assert len(cells) == len(set(cells)) <= -(-30 // every) * len(events)


def test_a_sample_is_the_same_for_a_seed_and_another_for_another() -> None:
    def drawn(seed: int) -> list[tuple[str, int]]:
        return cells_of(["a"] * 30, list(EVENTS), Share(sample=5, seed=seed), "latency")

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 5


def test_the_page_lists_faults_that_were_not_healed() -> None:
    outcomes = [
        Outcome("latency", "SIGKILL", 0, "inject: socket.send", seconds=0.5),
        Outcome("latency", "SIGKILL", 1, "undo: socket.send", seconds=2.5, problems=["the fault is still in force"]),
        Outcome("latency", "server gone", 0, "inject: socket.send", ended="FaultNotApplied"),
        Outcome("latency", "server gone", 1, "undo: socket.send", ended="FaultNotHealed", is_given_up=True),
    ]
    text = page(outcomes, {"latency": ["inject: socket.send", "undo: socket.send"]}, "every step", 60)
    assert "**3 of 4 healed, given up by rule, or refused**" in text
    assert "| latency | does not apply | 1 given up, 1 refused | does not apply | does not apply |" in text
    assert "| latency | 2 | 1/2, 2.5 s | does not apply |" in text
    assert "- latency, SIGKILL before undo: socket.send (1): ['the fault is still in force']" in text
    assert "within 2 s in 1 of 2 runs" in text
