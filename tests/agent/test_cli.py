"""The command line as a user finds it: the list, each command's help, and a near name for a wrong one."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import COMMANDS, app


def run(*arguments: str) -> str:
    return CliRunner().invoke(app, list(arguments), prog_name="alertdrill", env={"COLUMNS": "200"}).output


def test_the_list_has_every_command_with_its_line_of_help() -> None:
    lines = [" ".join(line.strip("│ ").split()) for line in run("--help").splitlines()]
    for name, (_, text) in COMMANDS.items():
        assert f"{name} {text}" in lines


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_own_help_begins_with_the_line_of_the_list_and_ends_with_examples(name: str) -> None:
    module, text = COMMANDS[name]
    command = getattr(import_module(f"alertdrill.agent.commands.{module}"), name.replace("-", "_"))
    assert inspect.getdoc(command.callback).splitlines()[0] == text
    shown = run(name, "--help")
    assert f"Usage: alertdrill {name} " in shown
    assert text in shown
    after_options = shown.rpartition("╯")[2]
    assert "Example" in after_options
    assert f"alertdrill {name}" in after_options


@pytest.mark.parametrize(("typo", "near"), [("dril", "drill"), ("import_k6", "import-k6"), ("stats", "status")])
def test_a_wrong_name_suggests_the_near_one(typo: str, near: str) -> None:
    assert f"No such command '{typo}'. Did you mean '{near}'?" in run(typo)


@pytest.mark.parametrize(
    ("words", "word", "expected"),
    [
        ("alertdrill ", "1", set(COMMANDS)),
        ("alertdrill re", "1", {"record", "regress", "report", "review"}),
        ("alertdrill drill --la", "2", {"--lab"}),
        ("alertdrill kpi --format m", "3", {"markdown"}),
    ],
)
def test_the_shell_completes_commands_options_and_values(words: str, word: str, expected: set[str]) -> None:
    asked = {"_ALERTDRILL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": word}
    ended = subprocess.run(
        [sys.executable, "-m", "alertdrill"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert set(ended.stdout.split()) == expected
