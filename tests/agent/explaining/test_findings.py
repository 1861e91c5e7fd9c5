"""Findings: each kind is told once with its rules, and a baseline leaves out those that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app

RULES = """\
groups:
- name: g
  rules:
  - {alert: Rare, expr: depth > 3, for: 5m, labels: {severity: page}, annotations: NOTES}
  - {alert: Never, expr: count(worker) == 0, for: 5m, labels: {severity: page}, annotations: NOTES}
  - {alert: NeverAgain, expr: count(worker) == 0, for: 9m, labels: {severity: page}, annotations: NOTES}
  - {alert: Watched, expr: up == 0 or absent(up), for: 5m, labels: {severity: page}, annotations: NOTES}
""".replace("NOTES", "{description: d, runbook_url: u}")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


def _run(*arguments: object) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["explain", *map(str, arguments)], env={"COLUMNS": "200"})
    return ended.exit_code, " ".join(ended.stdout.split()), ended.stderr


def test_each_finding_is_told_once_with_its_rules_and_the_worst_first(rules: Path) -> None:
    code, text, _ = _run(rules)
    assert code == 0
    assert text.count("it never fires: `count(worker)`") == 2 + 1  # the windows of both rules, and the finding
    assert "✗ problem (never_fires), 2 rules: it never fires" in text
    assert f"Never ({rules}:5), NeverAgain ({rules}:6)" in text
    assert text.index("✗ problem (never_fires)") < text.index("! weakness") < text.index("· note")


def test_markdown_and_json_have_the_findings_as_well(rules: Path) -> None:
    assert (
        f"Rules: Never ({rules}:5), NeverAgain ({rules}:6).".replace("_", r"\_")
        in _run(rules, "--format", "markdown")[1]
    )
    told = json.loads(_run(rules, "--format", "json")[1])
    assert told["findings"][0] == {
        "name": "never_fires",
        "severity": "problem",
        "rules": [{"alert": name, "place": f"{rules}:{line}"} for name, line in (("Never", 5), ("NeverAgain", 6))],
    }


def test_a_baseline_accepts_what_is_known_until_the_rule_changes(rules: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "known.yml"
    assert _run(rules, "--strict", "--write-baseline", baseline)[0] == 1
    code, text, errors = _run(rules, "--strict", "--baseline", baseline)
    assert (code, "problem" in text, "weakness" in text) == (0, False, False)
    assert f"{baseline}: " in errors
    assert "finding(s) accepted" in errors
    rules.write_text(RULES.replace("count(worker) == 0, for: 9m", "count(worker) < 1, for: 9m"))
    code, text, errors = _run(rules, "--strict", "--baseline", baseline)
    assert (code, "problem (never_fires), 1 rule" in text) == (1, True)
    assert "NeverAgain has no never_fires any more" in errors


def test_a_baseline_that_is_wrong_is_named_with_its_line(rules: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "known.yml"
    baseline.write_text("accepted:\n- {alert: A, group: g, rule: x}\n")
    code, _, errors = _run(rules, "--baseline", baseline)
    assert (code, errors.strip()) == (2, f"alertdrill: {baseline}:2: accepted[0].finding: is missing")
