"""The sample repository, and the files for CI servers: the commands of docs/ci.md print what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.git_repository import AS_NOBODY_ELSE, commit, committed, git

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "docs" / "sample-repository"
CI = ROOT / "configs" / "ci"
ACTION = yaml.safe_load((CI / "github" / "action.yml").read_text())
GITLAB = yaml.safe_load((CI / "gitlab" / "alertdrill.gitlab-ci.yml").read_text())[".alertdrill"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return variables with this alertdrill on the PATH, and nothing of a CI server that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "ALERTDRILL"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | AS_NOBODY_ELSE | {"PATH": path, "HOME": str(folder)} | more


def console() -> Iterator[tuple[str, str]]:
    """Yield each command of the documentation and what it prints."""
    text = (ROOT / "docs" / "ci.md").read_text()
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed


def test_the_commands_of_the_documentation_print_what_it_says(tmp_path: Path) -> None:
    documented = list(console())
    script = "\n".join(f"{command}\n__code=$?; printf '\\0'; (exit $__code)" for command, _ in documented)
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment(tmp_path, ALERTDRILL_SOURCES=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = ran.stdout.split("\0")[:-1]
    assert len(printed) == len(documented) > 12
    for (command, expected), found in zip(documented, printed, strict=True):
        assert re.sub(r"\([0-9a-f]{7}\)", "(…)", found) == expected, command


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the sample in which a branch changes a rule."""
    folder = shutil.copytree(SAMPLE, tmp_path / "rules")
    committed(folder)
    git(folder, "switch", "--quiet", "--create", "change")
    rules = folder / "rules.yml"
    rules.write_text(rules.read_text().replace("for: 5m", "for: 10m", 1))
    return commit(folder)


def bash(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


def step(name: str) -> dict[str, Any]:
    return next(one for one in ACTION["runs"]["steps"] if one["name"] == name)


def of_inputs(name: str, **given: str) -> dict[str, str]:
    """Return the variables of a step: inputs with their defaults, or as they are given."""
    found = {}
    for variable, value in step(name)["env"].items():
        key = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)
        found[variable] = given.get(variable, str(ACTION["inputs"][key[1]].get("default", "")) if key else "")
    return found


def test_the_action_replays_what_the_pull_request_changes_and_asks_for_proofs(repository: Path, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    on_github = files | {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(tmp_path)}
    given = of_inputs("Replay recorded drills", BASE="main", COMMENT="false", SARIF="found.sarif")
    ran = bash(step("Replay recorded drills")["run"], repository, **on_github, **given)
    assert ran.returncode == 1, ran.stderr
    assert "\n::error file=rules.yml,line=4,title=HighResponseTime::HighResponseTime would fire 5m later" in ran.stdout
    assert "skipped 1 file" in ran.stdout
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == f"junit={tmp_path}/alertdrill-regress.xml\n"
    assert 'tests="1" failures="1"' in (tmp_path / "alertdrill-regress.xml").read_text()
    assert "1 of 1 fail" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert (repository / "found.sarif").exists()
    (repository / "proofs.json").write_text('{"version": 1, "proofs": []}')
    asked = of_inputs("Ask for recent proofs", RULES="rules.yml", PROVE_WITHIN="warning=30d")
    ran = bash(step("Ask for recent proofs")["run"], repository, **on_github, **asked)
    assert ran.returncode == 1, ran.stderr
    assert "HighResponseTime (warning): tested by a regress file, and never proven by a drill" in ran.stdout


def test_no_input_is_part_of_a_script() -> None:
    assert [one["name"] for one in ACTION["runs"]["steps"] if "${{" in one["run"]] == []


def test_the_job_of_gitlab_writes_its_reports(repository: Path) -> None:
    variables = {name: str(value) for name, value in GITLAB["variables"].items()}
    ran = bash(GITLAB["script"][0], repository, **variables, CI_MERGE_REQUEST_DIFF_BASE_SHA="main")
    assert ran.returncode == 1, ran.stderr
    reports = GITLAB["artifacts"]["reports"]
    assert 'failures="1"' in (repository / reports["junit"]).read_text()
    assert '"path": "rules.yml"' in (repository / reports["codequality"]).read_text()


def test_the_hooks_of_pre_commit_are_commands_that_tell_a_changed_rule(repository: Path) -> None:
    hooks = {one["id"]: one for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    checked = ["rules.yml", "team/rules/a.yaml", "shop-alerts.yml", "drills/a.yml", "configs/agent.yml"]
    assert [
        path for path in (*checked, "values.yml", "rules.yml.j2") if re.search(hooks["alertdrill-check"]["files"], path)
    ] == checked
    ran = bash(f"{hooks['alertdrill-check']['entry']} rules.yml && {hooks['alertdrill-regress']['entry']}", repository)
    assert ran.returncode == 0, ran.stderr
    rules = repository / "rules.yml"
    rules.write_text(rules.read_text().replace("> 1000", "> 100000"))
    ran = bash(hooks["alertdrill-regress"]["entry"], repository)
    assert ran.returncode == 1
    assert "HighQueueDepth would not fire" in ran.stdout


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """A folder of releases of Prometheus, with one that has a promtool."""
    name, folder = "prometheus-3.5.0.linux-amd64", tmp_path / "releases" / "v3.5.0"
    folder.mkdir(parents=True)
    program = tmp_path / "promtool"
    program.write_text("#!/bin/sh\necho promtool, version 3.5.0 '(branch: HEAD)'\n")
    program.chmod(0o755)
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
        archive.add(program, f"{name}/promtool")
    digest = subprocess.run(["sha256sum", f"{name}.tar.gz"], cwd=folder, capture_output=True, text=True, check=True)
    (folder / "sha256sums.txt").write_text(f"{'0' * 64}  other.tar.gz\n{digest.stdout}")
    return folder.parent


def _by_script(folder: Path, releases: Path) -> subprocess.CompletedProcess[str]:
    return bash(f"sh {CI / 'install-promtool.sh'} 3.5.0 .", folder, PROMETHEUS_RELEASES=releases.as_uri())


def _by_gitlab(folder: Path, releases: Path) -> subprocess.CompletedProcess[str]:
    variables = {"PROMETHEUS_VERSION": "3.5.0", "PROMETHEUS_RELEASES": releases.as_uri()}
    return bash(GITLAB["before_script"][-1], folder, **variables)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the release is for another machine")
@pytest.mark.parametrize("install", [_by_script, _by_gitlab])
def test_promtool_is_installed_only_with_the_digest_of_its_release(
    tmp_path: Path, releases: Path, install: Any
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    ran = install(folder, releases)
    assert ran.returncode == 0, ran.stderr
    assert [path.name for path in folder.iterdir()] == ["promtool"]
    (folder / "promtool").unlink()
    sums = releases / "v3.5.0" / "sha256sums.txt"
    sums.write_text(re.sub(r"^[0-9a-f]{64}", "0" * 64, sums.read_text(), flags=re.MULTILINE))
    ran = install(folder, releases)
    assert ran.returncode != 0
    assert not (folder / "promtool").exists()
