"""`alertdrill review`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import NoColor, command, duration_of, open_console
from alertdrill.agent.commands.running import explained

if TYPE_CHECKING:
    from rich.console import Console

    from alertdrill.agent.report.review.review import DrillResult, Review


class ReviewForm(StrEnum):
    """How a review is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"


@command(
    "alertdrill review",
    "alertdrill review recordings --since 7d --rules configs/prometheus/rules.yml --format html > week.html",
)
def review(  # noqa: PLR0913, PLR0917 - one parameter for each option
    folder: Annotated[Path, typer.Argument(help="Folder of recordings.", metavar="FOLDER")] = Path("recordings"),
    since: Annotated[
        str | None, typer.Option(help="Only drills of this last time, such as 7d; all if none.", metavar="DURATION")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rules whose alerts must be proven; those of the last drill if none.")
    ] = None,
    form: Annotated[ReviewForm, typer.Option("--format", help="How to print it.")] = ReviewForm.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when an alert was not proven.")] = False,
    no_color: NoColor = False,
) -> None:
    """Review many drills: which alerts were proven, and when.

    Show how long each alert takes to fire, and which were never proven.
    """
    begin = None if since is None else time.time() - duration_of(since, "--since").total_seconds()
    with explained():
        show = _printer(form, open_console(no_color=no_color))
        made = _reviewed(folder, begin, rules or [])
        show(made)
    raise typer.Exit(int(strict and bool(made.unproven)))


def _printer(form: ReviewForm, console: Console) -> Callable[[Review], None]:
    from alertdrill.agent.report.review import forms
    from alertdrill.units.extras import require_library

    if form == ReviewForm.TEXT:
        return lambda made: console.print(forms.as_text(made))
    render: Callable[[Review], str] = forms.as_markdown
    if form == ReviewForm.HTML:
        require_library("jinja2", "report")
        render = forms.as_html
    return lambda made: console.out(render(made), end="", highlight=False)


def _reviewed(folder: Path, since: float | None, rules: list[Path]) -> Review:
    """Read and judge the recordings; one that cannot be read is reported and left out. Raises ConfigError."""
    from alertdrill.agent.report.review.review import review as made_of

    damaged: list[str] = []
    alerts = list(_alerts(rules)) if rules else None
    drills = list(_drills(folder, since, damaged))
    for problem in damaged:
        typer.echo(f"skipped: {problem}", err=True)
    return made_of(drills, until=time.time(), since=since, alerts=alerts, damaged=damaged)


def _drills(folder: Path, since: float | None, damaged: list[str]) -> Iterator[DrillResult]:
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.recording.recording import SUFFIX, named_instant, read_recording
    from alertdrill.agent.report.review.review import drill_result
    from alertdrill.agent.verdict.judge import judge

    if not folder.is_dir():
        raise ConfigError(f"{folder}: is not a folder, expected one with recordings ({'*' + SUFFIX})")
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        # The name has whole seconds.
        if since is not None and (at := named_instant(path)) is not None and at + 1 < since:
            continue
        try:
            recording = read_recording(path)
        except ConfigError as error:
            damaged += error.problems
            continue
        # Judging takes most of the time.
        if since is None or recording.started_at >= since:
            yield drill_result(recording, judge(recording))


def _alerts(paths: list[Path]) -> Iterator[str]:
    from alertdrill.agent.config.rules import parse_any_rules
    from alertdrill.agent.config.yaml_source import Source
    from alertdrill.agent.explaining.from_files import rule_files

    for path in rule_files(paths):
        for group in parse_any_rules(Source(path)).groups:
            yield from (rule.alert for rule in group.rules if rule.alert is not None)
