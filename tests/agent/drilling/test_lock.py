"""Only one drill runs on a target at a time, and the lock ends with its process, however that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alertdrill.agent.drilling.site import locked
from alertdrill.agent.errors import ConfigError

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from alertdrill.agent.drilling.site import locked
with locked(Path(sys.argv[1]), "the database", "theirs"):
    print("held", flush=True)
    time.sleep(60)
"""


def held(folder: Path) -> str:
    """The drill that a lock's file names."""
    (path,) = folder.glob("*.lock")
    return str(json.loads(path.read_text())["drill"])


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_drill_that_holds_the_lock_is_named_and_other_targets_are_free(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    expected = rf"drill theirs of process {other.pid} drills the database already: wait for its end"
    with pytest.raises(ConfigError, match=expected), locked(tmp_path, "the database", "mine"):
        pass
    with locked(tmp_path, "the cache", "mine"):
        pass
    other.kill()
    other.wait()


def test_the_lock_of_a_killed_process_is_free(other: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with locked(tmp_path, "the database", "mine"):
        assert held(tmp_path) == "mine"


def test_the_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path, "the database", "mine"):
            assert held(tmp_path) == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="the lock cannot be made there"), locked(tmp_path / "file" / "x", "a", "b"):
        pass
