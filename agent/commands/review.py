"""`alertdrill review`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import NoColor, command, duration_of, fail, open_console
from alertdrill.agent.commands.running import explained

if TYPE_CHECKING:
    from rich.console import Console

    from alertdrill.agent.config.agent import AgentConfig
    from alertdrill.agent.report.review.review import DrillResult, Review


class ReviewForm(StrEnum):
    """How a review is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"


@command(
    "alertdrill review",
    "alertdrill review --config agent.yml --since 7d",
    "alertdrill review recordings --since 7d --rules configs/prometheus/rules.yml --format html > week.html",
)
def review(  # noqa: PLR0913, PLR0917 - one parameter for each option
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of recordings.", metavar="FOLDER", show_default="recordings")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="agent.yml with the recordings, or with a history of them.", metavar="FILE"
        ),
    ] = None,
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

    Show how long each alert takes to fire, and which were never proven. With a `history` in agent.yml the runs are
    taken from there, and only recordings that are new are read.
    """
    if folder is not None and config is not None:
        fail("both FOLDER and --config are given, expected one of them")
    begin = None if since is None else time.time() - duration_of(since, "--since").total_seconds()
    with explained():
        show = _printer(form, open_console(no_color=no_color))
        made = _reviewed(_source(folder, config), begin, rules or [])
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


_Source = Callable[[float | None, list[str]], list["DrillResult"]]
"""Returns the drills since an instant, and adds a line for each recording that cannot be read."""


def _source(folder: Path | None, config: Path | None) -> _Source:
    """Return what reads the drills; raises ConfigError."""
    if config is None:
        return lambda since, damaged: list(_drills(folder or Path("recordings"), since, damaged))
    from alertdrill.agent.config.agent import read_agent_config

    agent = read_agent_config(config)
    if "history" not in agent.model_fields_set:
        return lambda since, damaged: list(_drills(agent.recordings, since, damaged))
    return lambda since, damaged: _of_history(agent, since, damaged)


def _of_history(agent: AgentConfig, since: float | None, damaged: list[str]) -> list[DrillResult]:
    """Read the drills from the history, or from the recordings when it is away."""
    from alertdrill.agent.history.connection import HistoryUnavailable
    from alertdrill.agent.history.database import opened
    from alertdrill.agent.history.index import catch_up, reviewed, unreadable
    from alertdrill.agent.report.review.review import run_result

    try:
        with opened(agent.history, agent.recordings) as database:
            catch_up(database, agent.recordings)
            problems, runs = unreadable(database), reviewed(database, since)
    except HistoryUnavailable as error:
        typer.echo(f"alertdrill: the recordings are read, because the history cannot be: {error}", err=True)
        return list(_drills(agent.recordings, since, damaged))
    for path, text in problems:
        damaged += [] if _is_before(Path(path), since) else text.splitlines()
    return [run_result(one) for one in runs]


def _reviewed(source: _Source, since: float | None, rules: list[Path]) -> Review:
    """Summarise the drills; a recording that cannot be read is reported and left out. Raises ConfigError."""
    from alertdrill.agent.report.review.review import review as made_of

    damaged: list[str] = []
    alerts = list(_alerts(rules)) if rules else None
    drills = source(since, damaged)
    for problem in damaged:
        typer.echo(f"skipped: {problem}", err=True)
    return made_of(drills, until=time.time(), since=since, alerts=alerts, damaged=damaged)


def _is_before(path: Path, since: float | None) -> bool:
    """Return whether the name of a recording says that it is of an earlier drill."""
    from alertdrill.agent.recording.recording import named_instant

    # The name has whole seconds.
    return since is not None and (at := named_instant(path)) is not None and at + 1 < since


def _drills(folder: Path, since: float | None, damaged: list[str]) -> Iterator[DrillResult]:
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.recording.recording import SUFFIX, read_recording
    from alertdrill.agent.report.review.review import drill_result
    from alertdrill.agent.verdict.judge import judge

    if not folder.is_dir():
        raise ConfigError(f"{folder}: is not a folder, expected one with recordings ({'*' + SUFFIX})")
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        if _is_before(path, since):
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
    from alertdrill.agent.explaining.from_files import sources_of

    for source in sources_of(paths).rules:
        for group in parse_any_rules(source).groups:
            yield from (rule.alert for rule in group.rules if rule.alert is not None)
