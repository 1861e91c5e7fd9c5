from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys
from pathlib import Path
from alertdrill.lab.parts import LabParts
from alertdrill.lab.stack import Lab
async def main():
    async with Lab(Path("configs"), 30.0, parts=LabParts.model_validate_json(sys.argv[1])) as lab:
        print(lab.directory, *(str(one.pid) for one in lab.servers.values()), flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize(("parts", "servers"), [("{}", 8), ('{"kafka": true, "replicas": 2}', 13)])
def test_nothing_survives_a_killed_lab(parts: str, servers: int) -> None:
    lab = subprocess.Popen([sys.executable, "-c", PROGRAM, parts], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert lab.stdout is not None
    directory, *pids = lab.stdout.readline().split()
    assert len(pids) == servers
    os.kill(lab.pid, signal.SIGKILL)
    lab.wait()
    lab.stdout.close()
    deadline = time.monotonic() + 60
    while (left := _left(directory, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def _left(directory: str, pids: list[str]) -> list[str]:
    running = [pid for pid in pids if Path(f"/proc/{pid}/exe").is_symlink() and _is_alive(pid)]
    return running + ([directory] if Path(directory).exists() else [])


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
