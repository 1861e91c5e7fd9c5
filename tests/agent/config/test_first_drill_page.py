"""The files and commands of the page on the first drill are right as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from alertdrill.agent.cli import COMMANDS
from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.check import check
from alertdrill.agent.config.drill import read_drill
from alertdrill.agent.rules.routing import webhook_problem

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "first-drill.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def _write_files(folder: Path, *, with_receiver: bool) -> None:
    """Write the files as a reader has them after step 4, or after step 6."""
    for block in _blocks("yaml"):
        heading, text = block.split("\n", 1)
        *words, name = heading.removeprefix("# ").split()
        path = folder / name
        if not words:
            path.write_text(text)
        elif words[0] == "more":
            path.write_text(path.read_text() + text)
        elif words[0] == "instead" and with_receiver:
            path.write_text(path.read_text().split("expect:")[0] + text)


def test_each_step_leaves_files_without_a_problem(tmp_path: Path) -> None:
    for number, with_receiver in enumerate((False, True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        _write_files(folder, with_receiver=with_receiver)
        findings = check([folder])
        assert findings.problems == []
        assert (len(findings.agents), findings.probes, len(findings.drills)) == (1, 1, 1)


def test_the_webhook_has_the_name_of_the_receiver_in_percent_encoding(tmp_path: Path) -> None:
    _write_files(tmp_path, with_receiver=True)
    (config,) = (block for block in _blocks("yaml") if block.startswith("# in alertmanager.yml"))
    (expectation,) = read_drill(tmp_path / "shop-down.yml").expect
    assert expectation.receiver == yaml.safe_load(config)["receivers"][0]["name"]
    routed = f"route: {{receiver: {expectation.receiver}}}\n{config}"
    base = read_agent_config(tmp_path / "agent.yml").webhook_base
    assert webhook_problem(routed, expectation.receiver, base) == ""
    assert webhook_problem(routed.replace("%2F", "/"), expectation.receiver, base)


def test_each_command_exists() -> None:
    lines = [shlex.split(line, comments=True) for block in _blocks("sh") for line in block.splitlines()]
    named = {words[1] for words in lines if words[0] == "alertdrill"}
    assert named == {"probe", "check", "explain", "drill", "status", "heal"}
    assert named <= set(COMMANDS)
