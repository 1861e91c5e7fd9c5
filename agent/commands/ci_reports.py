"""What `regress run` and `gate` share: their reports for CI servers, as options and as what GitHub sets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.errors import ConfigError

if TYPE_CHECKING:
    from alertdrill.agent.commands.github_comment import PullRequest
    from alertdrill.agent.report.ci.checks import CiReport


class RunForm(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    GITHUB = "github"
    JSON = "json"


FormatOption = Annotated[
    RunForm,
    typer.Option("--format", help="How to print it; github also shows it at the rules, as in GitHub Actions."),
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report", help="Also write a file: junit, code-quality (GitLab), sarif or markdown.", metavar="FORM=FILE"
    ),
]
CommentOption = Annotated[
    bool, typer.Option("--comment", help="Write one comment on the pull request, or edit it (GITHUB_TOKEN).")
]


@dataclass(frozen=True)
class ReportOutputs:
    """Where reports go: files by their forms, annotations on standard output, a summary, and a comment."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    annotates: bool = False
    summary: Path | None = None
    request: PullRequest | None = None


def asked_for(reports: list[str] | None, form: RunForm, *, wants_comment: bool) -> ReportOutputs:
    """Return the outputs of the options and of the variables of GitHub; raises ConfigError."""
    from alertdrill.agent.commands.github_comment import pull_request

    files = [_file(text) for text in reports or ()]
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "") if on_github else ""
    return ReportOutputs(
        files=files,
        annotates=form is RunForm.GITHUB or (on_github and form is RunForm.TEXT),
        summary=Path(summary) if summary else None,
        request=pull_request() if wants_comment else None,
    )


def _file(text: str) -> tuple[str, Path]:
    from alertdrill.agent.report.ci.files import FORMS

    name, equals, path = text.partition("=")
    if name not in FORMS or not equals or not path:
        raise ConfigError(f"--report {text}: expected FORM=FILE, where FORM is one of {', '.join(FORMS)}")
    return name, Path(path)


def tell(report: CiReport, outputs: ReportOutputs) -> None:
    """Write all outputs; raises ConfigError for a file. A comment that cannot be written changes no result."""
    from alertdrill.agent.files import private, write_whole
    from alertdrill.agent.report.ci import github
    from alertdrill.agent.report.ci.files import FORMS

    for line in github.at_lines(report) if outputs.annotates else ():
        typer.echo(line)
    try:
        for name, path in outputs.files:
            write_whole(path, FORMS[name](report))
            # Another step, often of another user, reads it.
            path.chmod(0o644)
        if outputs.summary is not None:
            with open(outputs.summary, "a", encoding="utf-8", opener=private) as file:
                file.write(github.summary(report))
    except OSError as error:
        raise ConfigError(f"{error.filename or 'a report'} cannot be written: {error.strerror or error}") from error
    if outputs.request is not None:
        _post(report, outputs.request)


def _post(report: CiReport, request: PullRequest) -> None:
    from alertdrill.agent.commands.github_comment import NotPosted
    from alertdrill.agent.report.ci import github

    # A pull request that changes nothing for any alert needs no comment.
    is_quiet = not any(check.findings for check in report.checks)
    try:
        address = request.post(github.comment(report), github.marker(report), only_edit=is_quiet)
    except NotPosted as error:
        typer.echo(f"alertdrill: the comment was not written: {error}", err=True)
    else:
        if address:
            typer.echo(f"comment {address}", err=True)
