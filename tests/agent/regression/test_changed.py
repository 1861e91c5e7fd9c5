"""Which files are run after a change: those that test what was changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.changed import changed
from tests.support.git_repository import commit, committed, git

RULES = """\
groups:
- name: shop
  rules:
  - record: job:errors:rate1m
    expr: sum by (job) (rate(errors_total[1m]))
  - alert: Queue
    expr: queue > 50
    for: 2m
    labels: {severity: page}
    annotations: {summary: too long}
  - alert: Errors
    expr: job:errors:rate1m > 2
    labels: {severity: page}
"""
ROUTES = """\
global: {resolve_timeout: 5m}
route: {receiver: nobody, routes: [{receiver: pager, matchers: ['severity="page"']}]}
receivers: [{name: nobody}, {name: pager}]
"""
FILE = """\
regress: ALERT
rules: ../rules.yml
alertmanager: ../alertmanager.yml
recorded: {by: 0.1.0, prometheus: 2.42.0, at: '2026-01-02T03:04:05Z', drill: shop, sha256: abc}
contract: {fires_within: 5m, receiver: pager}
snapshot: []
fault: {begins: 2m}
evaluation: 15s
evaluations: 40
scrapes: []
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("git") / "shop"
    (folder / "regress").mkdir(parents=True)
    (folder / "rules.yml").write_text(RULES)
    (folder / "alertmanager.yml").write_text(ROUTES)
    for alert in ("Errors", "Queue"):
        (folder / "regress" / f"shop.{alert}.regress.yml").write_text(FILE.replace("ALERT", alert))
    committed(folder)
    git(folder, "switch", "--quiet", "--create", "change")
    return folder


@pytest.fixture
def repository(shop: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shop, tmp_path / "shop")


def chosen(folder: Path, base: str = "main") -> set[str]:
    paths = sorted((folder / "regress").glob("*.regress.yml"))
    choice = changed(paths, base)
    assert set(choice.chosen) | set(choice.skipped) == set(paths)
    return {path.name.split(".")[1] for path in choice.chosen}


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def _untracked_rules(folder: Path) -> None:
    """The rules are made by another program, and git does not know them."""
    git(folder, "rm", "--quiet", "--cached", "rules.yml")
    git(folder, "commit", "--quiet", "--message", "Make the rules")
    git(folder, "branch", "--quiet", "--force", "main", "HEAD")


CHANGES: list[tuple[str, Callable[[Path], None], set[str]]] = [
    ("nothing", lambda _: None, set()),
    ("an expression", _edit("rules.yml", "queue > 50", "queue > 60"), {"Queue"}),
    ("a wait", _edit("rules.yml", "for: 2m", "for: 3m"), {"Queue"}),
    ("a label", _edit("rules.yml", "2m\n    labels: {severity: page}", "2m\n    labels: {severity: low}"), {"Queue"}),
    ("an annotation", _edit("rules.yml", "too long", "longer"), set()),
    ("a comment", _edit("rules.yml", "groups:", "# ours\ngroups:"), set()),
    ("a recording rule", _edit("rules.yml", "[1m]", "[2m]"), {"Errors"}),
    (
        "the interval of the group",
        _edit("rules.yml", "- name: shop", "- name: shop\n  interval: 1m"),
        {"Errors", "Queue"},
    ),
    ("an alert that is gone", _edit("rules.yml", "alert: Queue", "alert: Length"), {"Queue"}),
    ("rules that are no YAML", _edit("rules.yml", "groups:", "groups: ["), {"Errors", "Queue"}),
    ("the routes", _edit("alertmanager.yml", '"page"', '"sev"'), {"Errors", "Queue"}),
    ("another part of alertmanager.yml", _edit("alertmanager.yml", "5m", "6m"), set()),
    ("a regress file", _edit("regress/shop.Queue.regress.yml", "5m", "6m"), {"Queue"}),
    ("rules outside of git", _untracked_rules, {"Errors", "Queue"}),
]


@pytest.mark.parametrize(("change", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_only_the_files_that_test_a_change_are_run(
    repository: Path, change: Callable[[Path], None], expected: set[str]
) -> None:
    change(repository)
    assert chosen(repository) == expected


def test_a_committed_change_counts_and_those_of_the_base_since_do_not(repository: Path) -> None:
    _edit("rules.yml", "queue > 50", "queue > 60")(repository)
    commit(repository)
    git(repository, "switch", "--quiet", "main")
    _edit("rules.yml", "rate1m > 2", "rate1m > 3")(repository)
    commit(repository)
    git(repository, "switch", "--quiet", "change")
    assert chosen(repository) == {"Queue"}
    assert chosen(repository, "HEAD") == set()


def test_the_command_says_what_it_skips_and_needs_no_promtool_for_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("ALERTDRILL_PROMTOOL", "/is/not/there")
    ran = CliRunner().invoke(app, ["regress", "run", "--changed", "main"], catch_exceptions=False)
    commit_name = git(repository, "rev-parse", "main")[:7]
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines() == [
        f"skipped 2 files: nothing that they test changed since main ({commit_name})",
        "       regress/shop.Errors.regress.yml",
        "       regress/shop.Queue.regress.yml",
    ]


def _shallow(folder: Path) -> Path:
    _edit("rules.yml", "queue > 50", "queue > 60")(folder)
    commit(folder)
    clone = folder.with_name("clone")
    git(folder.parent, "clone", "--quiet", "--depth", "1", "--branch", "change", folder.as_uri(), str(clone))
    return clone


def _unrelated(folder: Path) -> Path:
    git(folder, "switch", "--quiet", "--orphan", "alone")
    (folder / "other").write_text("other")
    commit(folder)
    git(folder, "switch", "--quiet", "change")
    return folder


def _without_git(folder: Path) -> Path:
    shutil.rmtree(folder / ".git")
    return folder


def _without_commits(folder: Path) -> Path:
    shutil.rmtree(folder / ".git")
    git(folder, "init", "--quiet")
    return folder


@pytest.mark.parametrize(
    ("change", "base", "says"),
    [
        (lambda folder: folder, "v9", "--changed v9: git knows no such revision; fetch it first"),
        (lambda folder: folder, "--all", "--changed --all: git knows no such revision"),
        (
            _shallow,
            "main",
            "--changed main: git knows no such revision; this clone is shallow: fetch the whole history",
        ),
        (_unrelated, "alone", "--changed alone: git finds no commit that it has in common with HEAD"),
        (_without_git, "main", "is in no repository of git: fatal: not a git repository"),
        (_without_commits, "main", "has no commit yet"),
    ],
)
def test_what_git_cannot_tell_is_an_error(
    repository: Path, change: Callable[[Path], Path], base: str, says: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        chosen(change(repository), base)
    assert says in str(raised.value)


def test_a_machine_without_git_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="git is not installed"):
        chosen(repository)
