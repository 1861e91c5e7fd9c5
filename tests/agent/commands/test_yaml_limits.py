from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app

AGENT = Path(__file__).parents[3] / "configs/agent.yml"
FILES = {
    "aliases": (
        "a: &a [x, x]\nb: &b [" + "*a, " * 40_000 + "]\n",
        ":2: its aliases stand for more than 100,000 values",
    ),
    "circle": (
        "drill: x\nload: &a {rate: 5, q: *a}\nexpect: []\n",
        ":2: the alias *a is inside the node that it refers to",
    ),
    "depth": ("drill: x\nload: " + "[" * 20_000 + "]" * 20_000, ":2: is nested more than 100 deep"),
    "size": ("drill: " + "x" * 2**24, ": is larger than 16 MiB"),
}
COMMANDS = {
    "check": ["check", "FILE"],
    "explain": ["explain", "FILE"],
    "explain beside": ["explain", "RULES", "--alertmanager", "FILE"],
    "drill": ["drill", "FILE", "--dry-run", "--config", "AGENT"],
    "probe": ["probe", "FILE"],
    "kpi": ["kpi", "--kpis", "FILE", "--config", "FILE"],
    "heal": ["heal", "--config", "FILE"],
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_every_command_refuses_a_file_beyond_a_limit_in_one_line(
    tmp_path: Path, arguments: list[str], text: tuple[str, str]
) -> None:
    content, problem = text
    given, rules = tmp_path / "given.yml", tmp_path / "rules.yml"
    given.write_text(content)
    rules.write_text("groups: []\n")
    named = {"FILE": str(given), "RULES": str(rules), "AGENT": str(AGENT)}
    ended = CliRunner().invoke(app, [named.get(one, one) for one in arguments])
    lines = ended.stderr.splitlines()
    assert (ended.exit_code, [line.removeprefix("alertdrill: ") for line in lines]) == (2, [f"{given}{problem}"])
