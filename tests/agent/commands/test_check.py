"""`alertdrill check` of nothing is an error: a wrong path must not look like a clean one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app

NOTHING = (
    "alertdrill: nothing to check in {}, expected *.yml or *.yaml files of alertdrill (with the key probe, drill or"
    " kpis) or of Prometheus rules (with the key groups, or a PrometheusRule)\n"
)


def check(*paths: Path) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["check", *map(str, paths)])
    return ended.exit_code, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"drill.txt": "drill: x"},
        {"alertmanager.yml": "route: {receiver: team}"},
        {"service.yml": "{apiVersion: v1, kind: Service}"},
    ],
)
def test_a_folder_with_nothing_to_check_is_an_error(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert check(tmp_path) == (2, "", NOTHING.format(tmp_path))


def test_every_folder_is_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert check(one, other) == (2, "", NOTHING.format(f"{one}, {other}"))


def test_a_file_of_kpis_alone_is_something(tmp_path: Path) -> None:
    (tmp_path / "kpis.yml").write_text("kpis: [{kpi: errors, series: errors_total}]\n")
    (tmp_path / "web.yml").write_text("basic_auth_users: {}\n")
    code, out, _ = check(tmp_path)
    read = "0 configuration(s), 0 probe file(s), 0 drill(s), 0 rule file(s), 1 KPI file(s), 1 web.yml file(s)"
    assert (code, out) == (0, f"{read}: 0 problem(s)\n")


def test_a_missing_path_is_named_instead(tmp_path: Path) -> None:
    code, _, problems = check(tmp_path / "missing")
    assert (code, problems) == (2, f"{tmp_path / 'missing'}: no such file or folder\n")


def test_a_pattern_that_python_plans_to_read_in_another_way_is_passed_over(tmp_path: Path) -> None:
    probe = {
        "probe": {"kind": "http", "url": "http://127.0.0.1:1/", "checks": [{"header": "server", "matches": "[[a]"}]},
        "load": {"rate": 1},
    }
    (tmp_path / "probe.yml").write_text(json.dumps(probe))
    ended = subprocess.run(
        [sys.executable, "-m", "alertdrill", "check", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith(": 0 problem(s)\n")
