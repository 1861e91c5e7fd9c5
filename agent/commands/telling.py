"""Commands that tell of drills that are over, and of how a service does."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, NoColor, duration_of, fail, finite, open_console
from alertdrill.agent.commands.running import run

app = typer.Typer()


class ReviewForm(StrEnum):
    """How a review is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"


class CardForm(StrEnum):
    """How a score card is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


@app.command(epilog="Example: alertdrill judge recordings/database-latency-20260102T030405Z.recording.json.gz")
def judge(
    file: Annotated[Path, typer.Argument(help="A recording.", metavar="RECORDING")],
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
    no_color: NoColor = False,
) -> None:
    """Give the verdicts again, from a recording alone."""
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.recording.recording import read_recording
    from alertdrill.agent.report.drill import json as json_report
    from alertdrill.agent.report.drill import terminal
    from alertdrill.agent.verdict.judge import judge as judge_recording

    try:
        recording = read_recording(file)
    except ConfigError as error:
        fail(str(error))
    judgement = judge_recording(recording)
    if json:
        typer.echo(json_report.render(recording, judgement))
    else:
        open_console(no_color=no_color).print(terminal.render(recording, judgement))
    raise typer.Exit(judgement.exit_code)


@app.command(
    epilog="Example: alertdrill report recordings/database-latency-20260102T030405Z.recording.json.gz --postmortem"
)
def report(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: Annotated[Path, typer.Argument(help="A recording.", metavar="RECORDING")],
    postmortem: Annotated[bool, typer.Option("--postmortem", help="The post-incident document, as Markdown.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder of the reports (that of the recording), or the post-mortem's file."
        ),
    ] = None,
    slow: Annotated[str, typer.Option(help="From when on a transaction counts as slow in a post-mortem.")] = "2s",
    probe: Annotated[
        Path | None,
        typer.Option(help="The probe file of the drill: what its transactions carried.", metavar="FILE.yml"),
    ] = None,
    runbooks: Annotated[Path, typer.Option(help="Folder of runbooks.")] = Path("configs/runbooks"),
    no_color: NoColor = False,
) -> None:
    """Write the reports of a drill again from its recording, or its post-mortem."""
    from alertdrill.agent import report_command
    from alertdrill.agent.errors import ConfigError

    options = report_command.Options(
        file=file,
        output=output,
        postmortem=postmortem,
        slow=duration_of(slow, "--slow"),
        probe=probe,
        runbooks=runbooks,
    )
    try:
        report_command.show(options, open_console(no_color=no_color))
    except ConfigError as error:
        fail(str(error))


@app.command(
    epilog="Example: alertdrill review recordings --since 7d --rules configs/prometheus/rules.yml --format html > week.html"
)
def review(  # noqa: PLR0913, PLR0917 - one parameter for each option
    folder: Annotated[Path, typer.Argument(help="Folder of recordings.", metavar="FOLDER")] = Path("recordings"),
    since: Annotated[str | None, typer.Option(help="Only drills of so long ago, such as 7d; all if none.")] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rules whose alerts must be proven; those of the last drill if none.")
    ] = None,
    form: Annotated[ReviewForm, typer.Option("--format", help="How to print it.")] = ReviewForm.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when an alert was not proven.")] = False,
    no_color: NoColor = False,
) -> None:
    """Review many drills: which alerts were proven when, how long each takes to fire, which were never proven."""
    from alertdrill.agent import review_command
    from alertdrill.agent.errors import ConfigError

    options = review_command.Options(
        folder=folder, since=None if since is None else duration_of(since, "--since"), rules=rules or [], form=form
    )
    try:
        made = review_command.show(options, open_console(no_color=no_color), lambda text: typer.echo(text, err=True))
    except ConfigError as error:
        fail(str(error))
    raise typer.Exit(int(strict and bool(made.unproven)))


@app.command(
    epilog="Examples: alertdrill kpi --window 1h, alertdrill kpi --format html > kpis.html,"
    " alertdrill kpi --lab --time-scale 30. Exit codes: 0 every target is met, 1 a KPI is red, 2 usage or"
    " configuration, 3 a KPI with a target has no data."
)
def kpi(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: ConfigOption = Path("configs/agent.yml"),
    kpis: Annotated[
        Path | None, typer.Option(help="kpis.yml; by default `kpis` of the configuration.", metavar="FILE.yml")
    ] = None,
    window: Annotated[str, typer.Option(help="How far back to look.", metavar="DURATION")] = "5m",
    at: Annotated[
        str | None, typer.Option(help="Look from there, such as 2026-01-02T03:04:05Z; by default now.", metavar="TIME")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Earlier runs; by default kpis.jsonl beside the recordings.", metavar="FILE.jsonl"),
    ] = None,
    form: Annotated[CardForm, typer.Option("--format", help="How to print it.")] = CardForm.TEXT,
    lab: Annotated[bool, typer.Option("--lab", help="Show it on the embedded stack, after a window of load.")] = False,
    time_scale: Annotated[
        float, typer.Option(help="Divide every duration of the lab.", min=1.0, callback=finite)
    ] = 1.0,
    rate: Annotated[
        float, typer.Option(help="Transactions a second of the lab's load.", min=0.01, callback=finite)
    ] = 200.0,
    no_color: NoColor = False,
) -> None:
    """Tell how the service stands by its KPIs: value, target, and trend (exit code 1 when one is red)."""
    from alertdrill.agent.scorecard.command import Options, show

    if time_scale != 1 and not lab:
        fail("--time-scale needs --lab: servers of your own keep their own durations")
    over = duration_of(window, "--window")
    if not over:
        fail("--window: 0 is no window, expected a duration such as 5m")
    options = Options(
        config=config,
        kpis=kpis,
        window=over,
        at=None if at is None else _instant(at),
        history=history,
        form=form,
        lab=lab,
        time_scale=time_scale,
        rate=rate,
    )
    raise typer.Exit(run(lambda: show(options, open_console(no_color=no_color)), mends=False))


def _instant(text: str) -> float:
    from datetime import UTC, datetime

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at: {text!r} is no instant, expected one such as 2026-01-02T03:04:05Z")
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
