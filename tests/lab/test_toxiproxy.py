"""Without an installed Toxiproxy, the lab uses the embedded one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, json, urllib.request
from pathlib import Path
from alertdrill.lab.stack import Lab
async def main():
    async with Lab(Path("configs"), 30.0) as lab:
        with urllib.request.urlopen(f"http://{lab.addresses['toxiproxy:8474']}/proxies") as answer:
            proxies = json.load(answer)
        print(json.dumps([lab.servers["toxiproxy"].spec.command, proxies]))
asyncio.run(main())
"""


@pytest.mark.usefixtures("few_connections")
def test_a_lab_without_toxiproxy_uses_the_embedded_one(tmp_path: Path) -> None:
    """The payment engine gets ready only if it reaches PostgreSQL and Redis through the proxy."""
    python = _environment(tmp_path)
    lab = subprocess.run(
        [python, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {"PATH": _path()},
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert lab.returncode == 0, lab.stderr
    command, proxies = json.loads(lab.stdout)
    assert command[:3] == [str(python), "-m", "alertdrill.chaos.toxiproxy.embedded"]
    assert {name: proxy["enabled"] for name, proxy in proxies.items()} == {"postgres": True, "redis": True}


def _environment(folder: Path) -> Path:
    """Make a virtual environment with the same libraries, but without the toxiproxy-server that set-up puts there."""
    ours = Path(sys.prefix)
    (folder / "lib").symlink_to(ours / "lib")
    shutil.copy(ours / "pyvenv.cfg", folder)
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    return python


def _path() -> str:
    folders = os.environ["PATH"].split(":")
    return ":".join(folder for folder in folders if shutil.which("toxiproxy-server", path=folder) is None)


def test_a_failed_build_of_toxiproxy_does_not_fail_the_set_up(tmp_path: Path) -> None:
    (tmp_path / "go").write_text('#!/bin/sh\n[ "$1" = version ] && echo go version go1.26.0 && exit\nexit 1\n')
    (tmp_path / "go").chmod(0o755)
    ended = subprocess.run(
        ["sh", ROOT / "lab" / "install-toxiproxy.sh", tmp_path],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0
    assert "could not be built: the lab will use the embedded one" in ended.stderr
