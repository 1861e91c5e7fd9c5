"""`alertdrill explain`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import NoColor, command, duration_of, fail, open_console
from alertdrill.agent.commands.running import explained, run

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console

    from alertdrill.agent.explaining.from_files import ExplainOptions
    from alertdrill.agent.rules.explanation import Explanation


class ExplanationForm(StrEnum):
    """How an explanation is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


@command(
    "alertdrill explain configs/prometheus/rules.yml",
    "alertdrill explain rules/ --rule HighErrorRate --format markdown",
    "alertdrill explain --config configs/agent.yml --strict",
    "alertdrill explain rules/ --strict --baseline known.yml",
)
def explain(  # noqa: PLR0913, PLR0917 - one parameter for each option
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Rule files, PrometheusRule resources, folders.", metavar="RULES")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Without RULES: ask the servers of this configuration.")
    ] = None,
    prometheus: Annotated[Path | None, typer.Option(help="prometheus.yml; by default the one near the rules.")] = None,
    alertmanager: Annotated[Path | None, typer.Option(help="alertmanager.yml, found in the same way.")] = None,
    kpis: Annotated[Path | None, typer.Option(help="kpis.yml: the service's objectives, found likewise.")] = None,
    scrape_interval: Annotated[str | None, typer.Option(help="Scrape interval of series without a known job.")] = None,
    evaluation_interval: Annotated[str | None, typer.Option(help="Evaluation interval of groups without one.")] = None,
    metadata: Annotated[
        Path | None, typer.Option(help="Types of metrics: an answer of /api/v1/metadata, or the text of /metrics.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only this alert.", metavar="NAME")] = None,
    form: Annotated[ExplanationForm, typer.Option("--format", help="How to print it.")] = ExplanationForm.TEXT,
    baseline: Annotated[Path | None, typer.Option(help="Findings that are known: they are left out.")] = None,
    write_baseline: Annotated[Path | None, typer.Option(help="Write all findings as a baseline.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when a rule has a problem.")] = False,
    no_color: NoColor = False,
) -> None:
    """Explain rules: how soon and how late each may fire.

    Show what each rule must see, and what a reviewer would say.
    """
    from alertdrill.agent.explaining.from_files import ExplainOptions

    options = ExplainOptions(
        paths=paths or [],
        prometheus=prometheus,
        alertmanager=alertmanager,
        kpis=kpis,
        scrape_interval=_interval(scrape_interval, "--scrape-interval"),
        evaluation_interval=_interval(evaluation_interval, "--evaluation-interval"),
        rule=rule,
        metadata=metadata,
    )

    explanation = _with_baseline(_explanation(options, config), baseline, write_baseline)
    for line in explanation.passed_over:
        typer.echo(line, err=True)
    _print(explanation, form, open_console(no_color=no_color))
    raise typer.Exit(int(strict and explanation.has_problem))


def _interval(text: str | None, option: str) -> timedelta | None:
    if text is None:
        return None
    interval = duration_of(text, option)
    return interval or fail(f"{option}: expected more than 0s")


def _with_baseline(explanation: Explanation, known: Path | None, written: Path | None) -> Explanation:
    """Write all findings to one file, and leave out those of another."""
    from alertdrill.agent.explaining.baseline import baseline_of, read_baseline, without_accepted
    from alertdrill.agent.files import write_whole

    if written is not None:
        try:
            write_whole(written, baseline_of(explanation))
        except OSError as error:
            fail(f"--write-baseline: {written} cannot be written: {error.strerror}")
    if known is None:
        return explanation
    with explained():
        return without_accepted(explanation, read_baseline(known), known)


def _print(explanation: Explanation, form: ExplanationForm, console: Console) -> None:
    from rich.segment import Segment, Segments

    from alertdrill.agent.report import explain as forms

    if form == ExplanationForm.TEXT:
        for part in forms.as_text(explanation):
            console.print(part, end="", crop=False)
        return
    render = {ExplanationForm.MARKDOWN: forms.as_markdown, ExplanationForm.JSON: forms.as_json}[form]
    # As it is: Rich would look for places to wrap.
    console.print(Segments([Segment(render(explanation))]), end="", crop=False)


def _explanation(options: ExplainOptions, config: Path | None) -> Explanation:
    if options.paths and config is not None:
        fail("explain takes rule files or --config, not both")
    if config is not None:
        return _of_servers(config, options)
    if not options.paths:
        fail("explain needs rule files, or --config to ask the servers")
    from alertdrill.agent.explaining.from_files import from_files

    with explained():
        return from_files(options)


def _of_servers(config: Path, options: ExplainOptions) -> Explanation:
    # Only servers need a client.
    from alertdrill.agent.explaining.from_servers import from_servers

    found: list[Explanation] = []

    async def ask() -> int:
        found.append(await from_servers(config, options))
        return 0

    if code := run(ask, undoes=False):
        raise typer.Exit(code)
    return found[0]
