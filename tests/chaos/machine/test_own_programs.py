"""The watchdog and the holders run alertdrill's own code, wherever they are started and whatever the environment says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alertdrill.chaos.machine.own_programs import own_environment
from tests.support.waiting import until

_AGENT = """
import asyncio, json, os, sys
from pathlib import Path
from tests.support.breaking import fault, endpoints
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger

# Only now, so that they affect what this process starts and not this process.
os.environ |= json.loads(sys.argv[2])

async def main(settings):
    kept = Ledger(Path(sys.argv[3]))
    broken = fault(**settings)
    async with leased(kept, print, [broken]) as dog, applied(broken, endpoints(), kept):
        print(dog.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(json.loads(sys.argv[1])))
"""
_HOSTILE = {
    "PYTHONPATH": os.pathsep.join(["", ".", "relative"]),
    "PYTHONSTARTUP": "startup.py",
    "PYTHONINSPECT": "1",
    "PYTHONHOME": "home",
    "LD_PRELOAD": "./evil.so",
    "LD_LIBRARY_PATH": ".",
    "BASH_ENV": "./evil.sh",
    "ENV": "./evil.sh",
}
_ROOT = Path(__file__).parents[3]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A working directory in which every module that could be imported from there leaves a trace."""
    folder = tmp_path / "planted"
    folder.mkdir()
    evil = f"open({str(tmp_path / 'trace')!r}, 'a').write(__name__)\n"
    for name in ("json", "asyncio", "aiohttp", "pydantic", "sitecustomize", "usercustomize", "startup", "encodings"):
        (folder / f"{name}.py").write_text(evil)
    (folder / "alertdrill").mkdir()
    (folder / "alertdrill" / "__init__.py").write_text(evil)
    return folder


def _variables(pid: int) -> set[str]:
    return {line.partition("=")[0] for line in Path(f"/proc/{pid}/environ").read_text().split("\0")}


@pytest.mark.parametrize("kind", ["command", "memory"])
async def test_nothing_of_the_working_directory_is_run(kind: str, planted: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    command = {"kind": "command", "begin": {"run": ["touch", str(broken)]}, "end": {"run": ["rm", "-f", str(broken)]}}
    settings = command if kind == "command" else {"kind": "memory", "mebibytes": 1}
    ledger = tmp_path / "ledger"
    # Of absolute folders, so that the agent itself needs none of the working directory.
    own = os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "tests/support")])}
    words = [json.dumps(settings), json.dumps(_HOSTILE), str(ledger)]
    agent = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, "-P", "-c", _AGENT, *words], cwd=planted, env=own, stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    dog = int(agent.stdout.readline())
    assert not _HOSTILE.keys() & _variables(dog)
    agent.send_signal(signal.SIGKILL)

    async def is_healed() -> bool:
        return not list(ledger.glob("alertdrill-*.json"))

    await until(is_healed, "the watchdog undoes it")
    agent.communicate()
    assert not broken.exists()
    assert not (tmp_path / "trace").exists()


def test_absolute_search_paths_and_other_variables_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/opt/lib", "", ".", "relative"]))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/python/lib")
    monkeypatch.setenv("LD_PRELOAD", "/opt/evil.so")
    monkeypatch.setenv("CHAOS_TOKEN", "hush")
    kept = own_environment()
    assert (kept["PYTHONPATH"], kept["LD_LIBRARY_PATH"], kept["CHAOS_TOKEN"]) == ("/opt/lib", "/opt/python/lib", "hush")
    assert "LD_PRELOAD" not in kept


def test_no_part_of_the_product_uses_a_shell() -> None:
    """A name of a user may hold anything that a shell would run."""
    sources = [path for room in ("agent", "chaos", "probes", "units", "lab") for path in (_ROOT / room).rglob("*.py")]
    assert len(sources) > 200
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("shell=True", "os.system(", "os.popen(", "subprocess_shell(")), path
