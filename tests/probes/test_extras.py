"""What happens without the library of an extra: in a separate process it cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROBES = {
    "asyncpg": ("postgres", "{kind: postgres, url: 'postgresql://db'}"),
    "redis": ("redis", "{kind: redis, url: 'redis://cache'}"),
    "dns": ("dns", "{kind: dns, resolve: shop.example, server: 10.0.0.53}"),
}
CHECK = """
import sys
from pathlib import Path
sys.modules[sys.argv[1]] = None
from alertdrill.agent.config.check import check
print(*check([Path(sys.argv[2])]).problems, sep="\\n")
"""
LOADED = """
import sys
import alertdrill.agent.config.check
import alertdrill.probes.load.workers
print(*{"asyncpg", "dns", "redis"} & set(sys.modules))
"""


def run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout.strip()


@pytest.mark.parametrize("module", PROBES)
def test_a_missing_library_is_reported_with_its_extra(tmp_path: Path, module: str) -> None:
    extra, settings = PROBES[module]
    path = tmp_path / "probe.yml"
    path.write_text(f"# needs an extra\nprobe: {settings}\n")
    how = f"the library {module} is not installed: pip install 'alertdrill[{extra}]'"
    assert run(CHECK, module, str(path)) == f"{path}:2: probe: {how}"


def test_the_system_resolver_needs_no_library(tmp_path: Path) -> None:
    path = tmp_path / "probe.yml"
    path.write_text("probe: {kind: dns, resolve: shop.example}\n")
    assert run(CHECK, "dns", str(path)) == ""


def test_no_library_is_loaded_before_its_probe_opens() -> None:
    assert run(LOADED) == ""
