"""The one comment of a pull request: made once, then edited, and never in the way of the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.commands.github_comment import NotPosted, pull_request
from alertdrill.agent.errors import ConfigError
from tests.support.github_server import GitHub, github

MARKER = "<!-- alertdrill regress -->"


@pytest.fixture
def server() -> Iterator[GitHub]:
    with github() as one:
        yield one


@pytest.fixture
def event(tmp_path: Path) -> str:
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"action": "opened", "pull_request": {"number": 7}}))
    return str(path)


def test_a_second_run_edits_the_comment_and_leaves_those_of_others(server: GitHub, event: str) -> None:
    for number in range(130):
        server.comment(f"talk {number}")
    server.comment(f"> {MARKER}\nas it said")
    request = pull_request(server.variables(event))
    address = request.post(f"{MARKER}\nfirst", MARKER)
    assert address.endswith("#issuecomment-231")
    server.comment("more talk")
    assert request.post(f"{MARKER}\nsecond", MARKER) == address
    assert [one["body"] for one in server.comments if one["body"].startswith(MARKER)] == [f"{MARKER}\nsecond"]
    assert len(server.comments) == 133


def test_the_comment_of_another_command_is_another_one(server: GitHub, event: str) -> None:
    request = pull_request(server.variables(event))
    request.post(f"{MARKER}\nregress", MARKER)
    request.post("<!-- alertdrill gate -->\ngate", "<!-- alertdrill gate -->")
    assert len(server.comments) == 2


def test_a_comment_that_is_as_it_was_is_not_written_again(server: GitHub, event: str) -> None:
    request = pull_request(server.variables(event))
    for _ in range(2):
        request.post(f"{MARKER}\nsame", MARKER)
    assert [one.split()[0] for one in server.asked] == ["GET", "POST", "GET"]


def test_where_all_is_well_a_comment_is_only_edited(server: GitHub, event: str) -> None:
    request = pull_request(server.variables(event))
    assert request.post(f"{MARKER}\nall hold", MARKER, only_edit=True) == ""
    assert server.comments == []
    request.post(f"{MARKER}\nfails", MARKER)
    request.post(f"{MARKER}\nall hold", MARKER, only_edit=True)
    assert [one["body"] for one in server.comments] == [f"{MARKER}\nall hold"]


def test_a_token_that_may_not_write_is_told_with_what_it_needs(server: GitHub, event: str) -> None:
    request = pull_request(server.variables(event) | {"GITHUB_TOKEN": "of a fork"})
    with pytest.raises(
        NotPosted, match="GitHub answered 401 to GET: Bad credentials; the token needs `pull-requests: write`"
    ):
        request.post(MARKER, MARKER)


def test_a_server_that_is_not_there_is_told(event: str) -> None:
    with github() as gone:
        request = pull_request(gone.variables(event))
    with pytest.raises(NotPosted, match="cannot be asked"):
        request.post(MARKER, MARKER)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"GITHUB_TOKEN": ""}, "the variable GITHUB_TOKEN is not set"),
        ({"GITHUB_REPOSITORY": ""}, "the variable GITHUB_REPOSITORY is not set"),
        ({"GITHUB_API_URL": "file:///etc"}, "GITHUB_API_URL is 'file:///etc'"),
        ({"GITHUB_EVENT_PATH": ""}, "this run is not of a pull request"),
        ({"GITHUB_EVENT_PATH": "/is/not/there"}, "this run is not of a pull request"),
    ],
)
def test_a_run_that_cannot_comment_is_told(event: str, variables: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        pull_request(GitHub("http://127.0.0.1:1").variables(event) | variables)
    assert says in str(raised.value)


RULES = "groups: [{name: shop, rules: [{alert: Queue, expr: queue > 1, labels: {severity: page}}]}]\n"
GATE = ["gate", "rules.yml", "--proofs", "proofs.json", "--prove-within", "page=30d", "--comment"]


@pytest.fixture
def pull(tmp_path: Path, event: str, server: GitHub, monkeypatch: pytest.MonkeyPatch) -> GitHub:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "proofs.json").write_text('{"version": 1, "proofs": []}')
    for name, value in server.variables(event).items():
        monkeypatch.setenv(name, value)
    return server


def test_the_command_comments_and_writes_the_summary_of_the_step(
    pull: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ran = CliRunner().invoke(app, GATE)
    assert ran.exit_code == 1
    assert f"comment {pull.address}/shop/rules/pull/7#issuecomment-100" in ran.stderr
    assert "::error file=rules.yml,line=1,title=Queue::" in ran.stdout
    text = summary.read_text()
    assert text.startswith("before\n### alertdrill gate: 1 of 1 fail\n")
    assert pull.comments[0]["body"] == "<!-- alertdrill gate -->\n" + text.removeprefix("before\n")


def test_a_comment_that_cannot_be_written_changes_no_result(pull: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "of a fork")
    ran = CliRunner().invoke(app, GATE)
    assert ran.exit_code == 1
    assert "alertdrill: the comment was not written: GitHub answered 401" in ran.stderr
    assert pull.comments == []


@pytest.mark.parametrize(
    ("report", "says"),
    [("html=x", "expected FORM=FILE"), ("junit", "expected FORM=FILE"), ("junit=/proc/x", "cannot be written")],
)
def test_a_wrong_report_is_told(pull: GitHub, report: str, says: str) -> None:
    assert pull.address
    ran = CliRunner().invoke(app, [*GATE[:-1], "--report", report])
    assert (ran.exit_code, says in ran.stderr) == (2, True), ran.output
