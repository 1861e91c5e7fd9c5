"""The folder in memory for what tests write: whose folders are removed, and where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import scratch


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scratch, "_MEMORY", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=8 * 2**30))
    return tmp_path


def test_a_run_has_its_own_folder_in_which_all_users_write(memory: Path) -> None:
    folder = scratch.folder_in_memory()
    assert folder == memory / f"alertdrill-tests-{os.getpid()}"
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o7777 == 0o1777


def test_only_what_runs_that_ended_have_left_is_removed(memory: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    of_ended, of_running = (memory / f"alertdrill-tests-{pid}" for pid in (ended.pid, os.getppid()))
    of_others = memory / "sem.others"
    for folder in (of_ended, of_running, of_others):
        folder.mkdir()
        (folder / "file").touch()
    scratch.folder_in_memory()
    assert not of_ended.exists()
    assert (of_running / "file").exists()
    assert (of_others / "file").exists()


@pytest.mark.parametrize("short_of", ["memory", "programs", "the folder"])
def test_without_it_the_disk_is_used(memory: Path, monkeypatch: pytest.MonkeyPatch, short_of: str) -> None:
    if short_of == "memory":
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=8 * 2**30 - 1))
    elif short_of == "programs":
        # As on a file system that is mounted with noexec.
        monkeypatch.setattr(Path, "chmod", lambda _path, _mode: None)
    else:
        memory.rmdir()
    assert scratch.folder_in_memory() is None
    assert not memory.exists() or list(memory.iterdir()) == []
