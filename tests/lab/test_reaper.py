"""What is left of a lab that was killed: also a server that the lab was just starting, and after one that just ended."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from alertdrill.lab import reaper

ROOT = Path(__file__).parents[2]
STARTING = """
import sys
from pathlib import Path
from alertdrill.lab.server import Server, Spec
folder = Path(sys.argv[1])
Server(Spec("late", ["touch", str(folder / "started")], 0), folder, folder / "setpriv")
print("started", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_server_does_not_start_when_its_lab_was_killed_meanwhile(tmp_path: Path, *, is_killed: bool) -> None:
    late = tmp_path / "setpriv"
    late.write_text('#!/bin/sh\nread line < go\nexec setpriv "$@"\n')
    late.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    lab = subprocess.Popen(
        [sys.executable, "-c", STARTING, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lab.stdin is not None
    assert lab.stdout is not None
    with lab.stdin, lab.stdout:
        assert lab.stdout.readline() == "started\n"
        (server,) = (tmp_path / "pids").read_text().split()
        if is_killed:
            lab.kill()
            lab.wait()
        (tmp_path / "go").write_text("go\n")
        _until_ended(int(server))
        lab.kill()
        lab.wait()
    assert (tmp_path / "started").exists() is not is_killed


def _until_ended(pid: int) -> None:
    """Wait for the end of a process that may be a child of another one."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 60)[0]
    finally:
        os.close(descriptor)


def test_a_server_that_ends_by_itself_does_not_keep_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = subprocess.Popen(["sleep", "600"])
    monkeypatch.setattr(reaper, "_left", lambda _directory: [ended.pid, left.pid])
    monkeypatch.setattr(reaper, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    folder = tmp_path / "lab"
    folder.mkdir()
    try:
        reaper.main(folder)
        assert left.wait(60) == -signal.SIGKILL
    finally:
        left.kill()
    assert not folder.exists()
