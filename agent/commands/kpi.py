"""`alertdrill kpi`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import (
    ConfigOption,
    NoColor,
    command,
    fail,
    finite,
    open_console,
    positive_duration_of,
)
from alertdrill.agent.commands.running import run

if TYPE_CHECKING:
    from rich.console import Console

    from alertdrill.agent.config.agent import AgentConfig
    from alertdrill.agent.config.kpis import Kpis
    from alertdrill.agent.scorecard.card import Card
    from alertdrill.agent.scorecard.earlier_runs import CardRun


class CardForm(StrEnum):
    """How a score card is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


@command(
    "alertdrill kpi --window 1h",
    "alertdrill kpi --format html > kpis.html",
    "alertdrill kpi --lab --time-scale 30",
    note="Exit codes: 0 every target is met, 1 a KPI is red, 2 usage or configuration, 3 a KPI with a target has no"
    " data.",
)
def kpi(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: ConfigOption = None,
    kpis: Annotated[
        Path | None, typer.Option(help="kpis.yml; by default `kpis` of the configuration.", metavar="FILE.yml")
    ] = None,
    window: Annotated[str, typer.Option(help="How far back to look.", metavar="DURATION")] = "5m",
    at: Annotated[
        str | None, typer.Option(help="Look from there, such as 2026-01-02T03:04:05Z; by default now.", metavar="TIME")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="File of earlier runs; by default kpis.jsonl beside the recordings.", metavar="FILE.jsonl"),
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
    """Show the value, target and trend of each KPI.

    The exit code is 1 when a KPI is red.
    """
    if time_scale != 1 and not lab:
        fail("--time-scale needs --lab: servers of your own keep their own durations")
    from alertdrill.agent import on_lab

    options = KpiOptions(
        config=on_lab.configuration(config, lab=lab),
        kpis=kpis,
        window=positive_duration_of(window, "--window"),
        at=None if at is None else _instant(at),
        history=history,
        form=form,
        lab=lab,
        time_scale=time_scale,
        rate=rate,
    )
    raise typer.Exit(run(lambda: show(options, open_console(no_color=no_color)), undoes=False))


def _instant(text: str) -> float:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at: {text!r} is not a time, expected one such as 2026-01-02T03:04:05Z")
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True)
class KpiOptions:
    """The options of `alertdrill kpi`; None leaves a value to the configuration or the clock.

    `at` is Unix seconds. On the lab, `rate` transactions a second run for a window before it is measured.
    """

    config: Path
    kpis: Path | None = None
    window: timedelta = timedelta(minutes=5)
    at: float | None = None
    history: Path | None = None
    form: str = "text"
    lab: bool = False
    time_scale: float = 1.0
    rate: float = 200.0


async def show(options: KpiOptions, console: Console) -> int:
    """Measure, print, and keep for later trends; return 1 when a KPI is red, 3 when one with a target has no data.

    Raises ConfigError, ServiceUnavailable.
    """
    import asyncio

    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.config.kpis import read_kpis
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.scorecard import earlier_runs

    config = read_agent_config(options.config)
    kpis = config.kpis if options.kpis is None else read_kpis(options.kpis)
    if not kpis.kpis:
        raise ConfigError(f"{options.config}: has no `kpis`, expected a file of them there or as --kpis")
    print_card = _printer(options.form, console)
    path = options.history or config.recordings / ("kpis-lab.jsonl" if options.lab else "kpis.jsonl")
    runs = earlier_runs.read(path)
    if "history" in config.model_fields_set and options.history is None:
        runs = await asyncio.to_thread(with_history, config, path.name, runs)
    card = earlier_runs.with_trends(await _measured(options, config, kpis), runs)
    print_card(card)
    earlier_runs.add(path, runs, card)
    return card.exit_code


def with_history(config: AgentConfig, name: str, runs: list[CardRun]) -> list[CardRun]:
    """Return the runs of a file together with those in the history, which gets them, too; without it, those of the file."""
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.history.connection import HistoryUnavailable
    from alertdrill.agent.history.database import opened
    from alertdrill.agent.history.index import KpiRunText, kept_kpi_runs
    from alertdrill.agent.scorecard.earlier_runs import CardRun

    mine = [KpiRunText(one.at, one.window_seconds, one.model_dump_json()) for one in runs]
    try:
        with opened(config.history, config.recordings) as database:
            return [CardRun.model_validate_json(one.text) for one in kept_kpi_runs(database, name, mine)]
    except (ConfigError, HistoryUnavailable) as error:
        typer.echo(f"alertdrill: trends are those of {name} alone: {error}", err=True)
        return runs


def _printer(form: str, console: Console) -> Callable[[Card], None]:
    from alertdrill.agent.report import scorecard
    from alertdrill.units.extras import require_library

    if form == "text":
        return lambda card: console.print(scorecard.as_text(card))
    render: Callable[[Card], str] = scorecard.as_json
    if form == "markdown":
        render = scorecard.as_markdown
    elif form == "html":
        require_library("jinja2", "report")
        render = scorecard.as_html
    return lambda card: console.out(render(card), end="", highlight=False)


async def _measured(options: KpiOptions, config: AgentConfig, kpis: Kpis) -> Card:
    from alertdrill.agent.monitoring.prometheus import Prometheus
    from alertdrill.agent.scorecard.measure import measure

    async with _servers(options, config) as here, Prometheus(here.prometheus) as prometheus:
        at = time.time() if options.at is None else options.at
        # Prometheus answers for whole milliseconds.
        return await measure(kpis, prometheus, round(at, 3), options.window, here.time_scale)


@asynccontextmanager
async def _servers(options: KpiOptions, config: AgentConfig) -> AsyncIterator[AgentConfig]:
    """Yield the configuration itself, or on the lab, after a window of load, that of the lab."""
    if not options.lab:
        yield config
        return
    import asyncio

    from rich.console import Console

    from alertdrill.agent import on_lab
    from alertdrill.agent.console import ConsoleLines
    from alertdrill.probes.any_probe import open_client
    from alertdrill.probes.load.arrivals import ConstantArrivals
    from alertdrill.probes.load.load import Load, LoadPlan, running
    from alertdrill.units.duration import format_seconds

    # Standard output holds the card alone, which a program may read.
    lines = ConsoleLines(Console(stderr=True, highlight=False))
    seconds = options.window.total_seconds() / options.time_scale
    async with on_lab.started(options.config.parent, options.time_scale, lines.tell) as lab:
        here = on_lab.at_the_lab(config, lab.addresses, lab.ledger, options.time_scale)
        async with (
            open_client(here.probe) as client,
            running(Load(client, LoadPlan(ConstantArrivals(options.rate), 10_000))),
        ):
            lines.tell(f"lab: {options.rate:g} transactions a second for {format_seconds(seconds)}")
            await asyncio.sleep(seconds)
            yield here
