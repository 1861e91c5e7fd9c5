"""Commands that only read files and servers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import NoColor, duration_of, open_console
from alertdrill.agent.commands.running import run
from alertdrill.agent.errors import USAGE

app = typer.Typer()


class Form(StrEnum):
    """How an explanation is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


@app.command(epilog="Example: alertdrill check configs/")
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders; configs/ if none.")] = None,
) -> None:
    """Check configuration, drills and rules: all errors at once, with file and line."""
    from alertdrill.agent.config.check import check as check_files

    findings = check_files(paths or [Path("configs")])
    for problem in findings.problems:
        typer.echo(problem, err=True)
    read = (
        f"{findings.agent} configuration(s), {findings.probes} probe file(s),"
        f" {len(findings.drills)} drill(s), {len(findings.rules)} rule file(s)"
    )
    typer.echo(f"{read}: {len(findings.problems)} problem(s)")
    raise typer.Exit(USAGE if findings.problems else 0)


@app.command(
    epilog="Examples: alertdrill explain configs/prometheus/rules.yml, alertdrill explain --config configs/agent.yml"
)
def explain(  # noqa: PLR0913, PLR0917 - one parameter for each option
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Rule files, PrometheusRule resources, folders.", metavar="RULES")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Without RULES: ask the servers of this configuration.")
    ] = None,
    prometheus: Annotated[Path | None, typer.Option(help="prometheus.yml; by default the one near the rules.")] = None,
    alertmanager: Annotated[Path | None, typer.Option(help="alertmanager.yml, found likewise.")] = None,
    kpis: Annotated[Path | None, typer.Option(help="kpis.yml: what the service has promised, found likewise.")] = None,
    scrape_interval: Annotated[str | None, typer.Option(help="Of series whose job is not known.")] = None,
    evaluation_interval: Annotated[str | None, typer.Option(help="Of groups without an interval.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only this alert.", metavar="NAME")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = Form.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when a rule has a problem.")] = False,
    no_color: NoColor = False,
) -> None:
    """Explain rules: how soon and how late each may fire, what it must see, and what a reviewer would say."""
    from alertdrill.agent.explain_command import show
    from alertdrill.agent.explaining import from_files as rules

    options = rules.Options(
        paths=paths or [],
        prometheus=prometheus,
        alertmanager=alertmanager,
        kpis=kpis,
        scrape_interval=None if scrape_interval is None else duration_of(scrape_interval, "--scrape-interval"),
        evaluation_interval=None
        if evaluation_interval is None
        else duration_of(evaluation_interval, "--evaluation-interval"),
        rule=rule,
    )
    raise typer.Exit(run(lambda: show(options, config, form, open_console(no_color=no_color), strict=strict)))
