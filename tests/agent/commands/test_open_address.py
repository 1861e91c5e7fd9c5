"""A drill whose address others can reach is refused before it asks any server, and with it `check`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app

AGENT = """\
probe: {kind: tcp, url: "tcp://127.0.0.1:1"}
prometheus: {url: "http://127.0.0.1:1"}
alertmanager: {url: "http://127.0.0.1:1"}
toxiproxy: {url: "http://127.0.0.1:1"}
listen: 0.0.0.0:9095
"""
DRILL = "drill: control\nload: {rate: 5}\nbaseline: 1s\nobserve: 1s\n"


@pytest.mark.parametrize("command", [["check", "."], ["drill", "-c", "agent.yml", "drill.yml"]])
def test_the_line_to_add_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agent.yml").write_text(AGENT)
    Path("drill.yml").write_text(DRILL)
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 2
    (line,) = [line for line in ended.output.splitlines() if "agent.yml:5: listen" in line]
    assert "0.0.0.0:9095: others can reach it without a credential: add `webhook_token_file: FILE`" in line
    Path("token").write_text("hush")
    Path("agent.yml").write_text(f"{AGENT}webhook_token_file: token\n")
    assert "others can reach it" not in CliRunner().invoke(app, command).output


def test_callers_of_web_yml_close_the_address_and_a_wrong_web_yml_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agent.yml").write_text(f"{AGENT}web: {{config_file: web.yml}}\n")
    Path("drill.yml").write_text(DRILL)
    Path("token").write_text("0123456789abcdef")
    Path("web.yml").write_text("alertdrill: {bearer_token_files: {ci: token}}\n")
    assert CliRunner().invoke(app, ["check", "agent.yml", "drill.yml"]).exit_code == 0
    Path("web.yml").write_text("basic_auth_users:\n  ci: 0123456789abcdef\n")
    for command in (["check", "agent.yml"], ["check", "web.yml"], ["drill", "-c", "agent.yml", "drill.yml"]):
        ended = CliRunner().invoke(app, command)
        assert ended.exit_code == 2
        assert "web.yml:2: basic_auth_users.ci: is not a hash of bcrypt" in ended.output
        assert "0123456789abcdef" not in ended.output
