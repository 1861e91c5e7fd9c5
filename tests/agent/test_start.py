"""The cost of a start is its imports: each command imports only what it needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from alertdrill.agent.cli import COMMANDS

OF_DRILLS = {
    "aiohttp",
    "alertdrill.agent.config.drill",
    "alertdrill.agent.recording.recording",
    "alertdrill.chaos.registry",
    "alertdrill.lab.stack",
}
HEAVY = OF_DRILLS | {"jinja2", "prometheus_client", "pydantic", "uvloop", "yaml"}


def imported(program: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.split())


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


HELP_OF_EACH_COMMAND = """
import contextlib, io, json, sys
from typer.testing import CliRunner
from alertdrill.agent import cli
took = {}
for name in cli.COMMANDS:
    before = set(sys.modules)
    assert "Usage: alertdrill" in CliRunner().invoke(cli.app, [name, "--help"], prog_name="alertdrill").output
    took[name] = sorted(set(sys.modules) - before)
print(json.dumps(took))
"""


def test_help_of_a_command_imports_that_command_alone_and_nothing_heavy() -> None:
    """Typer itself imports pydantic to read options."""
    command = [sys.executable, "-c", HELP_OF_EACH_COMMAND]
    took = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)
    assert list(took) == list(COMMANDS)
    for name, modules in took.items():
        assert set(modules) & (HEAVY - {"pydantic"}) == set(), name
        commands = {module for module in modules if module.startswith("alertdrill.agent.commands.")}
        shared = {f"alertdrill.agent.commands.{module}" for module in ("options", "running", "ci_reports")}
        assert commands - shared <= {f"alertdrill.agent.commands.{COMMANDS[name][0]}"}, name
        assert {module for module in modules if module.startswith("alertdrill.")} - commands <= {
            "alertdrill.agent.commands",
            "alertdrill.agent.errors",
        }, name


@pytest.mark.parametrize("arguments", ["['--help']", "['dril']", "[]"])
def test_the_list_of_commands_imports_none_of_them(arguments: str) -> None:
    program = f"from alertdrill.agent import cli\nimport contextlib, io, sys\nsys.argv[1:] = {arguments}\n"
    program += "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): cli.main()"
    modules = imported(program)
    assert "alertdrill.agent.cli" in modules
    assert {module for module in modules if module.startswith("alertdrill.agent.commands")} == set()
    assert modules & (HEAVY - {"pydantic"}) == set()


def test_the_words_of_the_watchdog_are_imported_without_anything_heavy() -> None:
    """The agent imports them for every drill; only the process of the watchdog loads what undoes faults."""
    modules = imported("import alertdrill.chaos.safety.watchdog")
    assert "alertdrill.chaos.safety.owner" in modules
    assert modules & HEAVY == set()
