from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from alertdrill.lab.errors import LabError
from alertdrill.lab.parts import LabParts
from alertdrill.lab.stack import Lab

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


@pytest.mark.usefixtures("few_connections")
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


async def test_the_engines_open_as_many_connections_as_the_variable_says(few_connections: int) -> None:
    async with Lab(ROOT / "configs", 30.0) as lab:
        connection = await asyncpg.connect(lab.postgres_url)
        # What each connection did last when it was opened.
        found = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT id FROM accounts%' AND state = 'idle'"
        )
        await connection.close()
    assert found == few_connections


@pytest.mark.parametrize("number", ["", "0", "1", "501", "-5", "many", "२"])
async def test_an_impossible_number_of_connections_is_refused(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv("ALERTDRILL_LAB_CONNECTIONS", number)
    with pytest.raises(LabError, match=f"ALERTDRILL_LAB_CONNECTIONS is '{number}', expected a number from 2 to 500"):
        async with Lab(ROOT / "configs", parts=LabParts(replicas=2)):
            pass


def _left(directory: str, pids: list[str]) -> list[str]:
    running = [pid for pid in pids if Path(f"/proc/{pid}/exe").is_symlink() and _is_alive(pid)]
    return running + ([directory] if Path(directory).exists() else [])


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
