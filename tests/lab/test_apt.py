"""The installer waits for another package manager's locks; apt's folders are in a temporary folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "lab" / "apt.sh"

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is not installed")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for folder in ("lists/partial", "archives/partial", "dpkg", "sources.d"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("dpkg/status", "sources.list"):
        (tmp_path / file).touch()
    places = {
        "State::Lists": "lists",
        "State::status": "dpkg/status",
        "Cache": "",
        "Cache::archives": "archives",
        "Etc::sourcelist": "sources.list",
        "Etc::sourceparts": "sources.d",
    }
    config = tmp_path / "apt.conf"
    config.write_text("".join(f'Dir::{name} "{tmp_path / place}";\n' for name, place in places.items()))
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nexec "$@"\n')
    sudo.chmod(0o755)
    return os.environ | {"APT_CONFIG": str(config), "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize("lock", ["lists/lock", "dpkg/lock-frontend"])
def test_a_held_lock_is_waited_for_and_named_in_a_line(tmp_path: Path, environment: dict[str, str], lock: str) -> None:
    with (tmp_path / lock).open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        installer = subprocess.Popen(
            ["sh", SCRIPT, "no-such-package"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert installer.stdout is not None
        assert installer.stdout.readline() == "installing with apt-get: no-such-package\n"
        waiting = installer.stdout.readline()
        fcntl.lockf(held, fcntl.LOCK_UN)
    _, errors = installer.communicate(timeout=300)
    start = "waiting at most 600 s for another package manager: Could not get lock"
    assert waiting.startswith(f"{start} {tmp_path / lock}. It is held by process {os.getpid()} ")
    assert "Unable to locate package no-such-package" in errors
    assert installer.returncode == 1


def test_an_installation_without_a_held_lock_waits_for_nothing(environment: dict[str, str]) -> None:
    ended = subprocess.run(
        ["sh", SCRIPT, "no-such-package"], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.stdout == "installing with apt-get: no-such-package\n"
    assert "Unable to locate package no-such-package" in ended.stderr
