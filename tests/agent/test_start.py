"""What a start costs is what it imports: each command takes only what it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

OF_DRILLS = {
    "aiohttp",
    "alertdrill.agent.config.drill",
    "alertdrill.agent.recording.recording",
    "alertdrill.chaos.registry",
    "alertdrill.lab.stack",
}
HEAVY = OF_DRILLS | {"jinja2", "plotly", "prometheus_client", "pydantic", "uvloop", "yaml"}


def imported(program: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())


@pytest.mark.parametrize(
    "name", ["alertdrill.agent.loading.session", "alertdrill.agent.config.probe", "alertdrill.probes.http.lean_client"]
)
def test_a_load_alone_imports_nothing_of_drills(name: str) -> None:
    modules = imported(f"import {name}")
    assert name in modules
    assert modules & OF_DRILLS == set()


def test_the_command_line_itself_imports_nothing_heavy() -> None:
    modules = imported("import alertdrill.agent.cli")
    assert "alertdrill.agent.cli" in modules
    assert modules & HEAVY == set()


def test_the_watchdog_imports_nothing_heavy_before_there_is_a_fault() -> None:
    """The watchdog has two seconds, of which its own start is a part."""
    modules = imported("import alertdrill.chaos.safety.watchdog")
    assert "alertdrill.chaos.safety.owner" in modules
    assert modules & HEAVY == set()
