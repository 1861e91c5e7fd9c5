"""A share of `make crash-matrix`, and a check that the matrix is complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alertdrill.chaos.registry import FAULTS
from crashing.cell import EVENTS, Outcome
from crashing.matrix import Share, cells_of
from crashing.report import page
from crashing.steps import Steps, counted
from crashing.targets import TARGETS

ROOT = Path(__file__).parents[3]
# Faults of a cluster need an API server: `make test-kubernetes`.
ELSEWHERE = {kind for kind, class_ in FAULTS.items() if class_.__module__.startswith("alertdrill.chaos.kubernetes")}


def test_every_kind_of_fault_is_in_the_matrix(tmp_path: Path) -> None:
    tried = {class_(tmp_path, fault).fault["kind"] for class_, fault in TARGETS.values()}
    assert tried == FAULTS.keys() - ELSEWHERE


def test_a_fault_is_undone_after_a_failure_at_any_step() -> None:
    command = [sys.executable, "-m", "crashing.matrix", "--sample", "1", "--workers", "2"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}
    )
    assert run.returncode == 0, run.stderr
    assert f"**{len(TARGETS)} of {len(TARGETS)} healed**" in run.stdout


def test_steps_are_counted_and_the_event_comes_just_before_one(tmp_path: Path) -> None:
    there: list[bool] = []
    steps = Steps(1, lambda: there.append((tmp_path / "b").exists()))
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
    cells = cells_of(steps, list(EVENTS), Share(every=every), "latency")
    assert {event for event, _ in cells} == set(EVENTS)
    assert {at for _, at in cells} == set(range(30))
    assert len(cells) == len(set(cells)) <= -(-30 // every) * len(EVENTS)


def test_a_sample_is_the_same_for_a_seed_and_another_for_another() -> None:
    def drawn(seed: int) -> list[tuple[str, int]]:
        return cells_of(["a"] * 30, list(EVENTS), Share(sample=5, seed=seed), "latency")

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 5


def test_the_page_lists_faults_that_were_not_healed() -> None:
    outcomes = [
        Outcome("latency", "SIGKILL", 0, "inject: socket.send", seconds=0.5),
        Outcome("latency", "SIGKILL", 1, "undo: socket.send", seconds=2.5, problems=["the fault is still in force"]),
    ]
    text = page(outcomes, {"latency": ["inject: socket.send", "undo: socket.send"]}, "every step", 60)
    assert "**1 of 2 healed**" in text
    assert "| latency | 2 | 1/2, 2.5 s | does not apply |" in text
    assert "- latency, SIGKILL before undo: socket.send (1): ['the fault is still in force']" in text
    assert "within 2 s in 1 of 2 runs" in text
