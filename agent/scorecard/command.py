"""`alertdrill kpi` from its options to what is printed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from alertdrill.agent.config.agent import AgentConfig, read_agent_config
from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.console import Lines
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.report import scorecard, scorecard_json, scorecard_markdown
from alertdrill.agent.scorecard import history
from alertdrill.agent.scorecard.card import Card
from alertdrill.agent.scorecard.history import with_trends
from alertdrill.agent.scorecard.measure import measure
from alertdrill.units.duration import format_seconds

Render = Callable[[Card], str]


@dataclass(frozen=True)
class Options:
    """What `alertdrill kpi` was asked for; None where the configuration, the clock or a default decides.

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


async def show(options: Options, console: Console) -> int:
    """Measure, print, and keep for later trends; tell 1 when a KPI is red, 3 when one with a target has no data.

    Raises ConfigError, ServiceUnavailable.
    """
    config = read_agent_config(options.config)
    kpis = config.kpis if options.kpis is None else read_kpis(options.kpis)
    if not kpis.kpis:
        raise ConfigError(f"{options.config}: has no `kpis`, expected a file of them there or as --kpis")
    render = _form(options.form)
    path = options.history or config.recordings / ("kpis-lab.jsonl" if options.lab else "kpis.jsonl")
    runs = history.read(path)
    card = with_trends(await _measured(options, config, kpis), runs)
    if render is None:
        console.print(scorecard.render(card))
    else:
        console.out(render(card), end="", highlight=False)
    history.add(path, runs, card)
    return card.exit_code


def _form(name: str) -> Render | None:
    if name == "html":
        try:
            from alertdrill.agent.report import scorecard_html
        except ModuleNotFoundError as error:
            raise ConfigError(f"--format html: {error.name} is not installed, expected alertdrill[report]") from error
        return scorecard_html.render
    return {"json": scorecard_json.render, "markdown": scorecard_markdown.render}.get(name)


async def _measured(options: Options, config: AgentConfig, kpis: Kpis) -> Card:
    async with _servers(options, config) as here, Prometheus(here.prometheus) as prometheus:
        at = time.time() if options.at is None else options.at
        # Prometheus answers for whole milliseconds.
        return await measure(kpis, prometheus, round(at, 3), options.window, here.time_scale)


@asynccontextmanager
async def _servers(options: Options, config: AgentConfig) -> AsyncIterator[AgentConfig]:
    """Yield the configuration to work with: that of the file, or of a lab that was under load for a window."""
    if not options.lab:
        yield config
        return
    from alertdrill.agent.drilling.session import at_the_lab
    from alertdrill.lab.stack import Lab
    from alertdrill.probes.any_probe import open_client
    from alertdrill.probes.load.arrivals import ConstantArrivals
    from alertdrill.probes.load.load import Load, Plan, running

    # What is told meanwhile is no part of the card, which a program may read.
    lines = Lines(Console(stderr=True, highlight=False))
    lines.tell("lab: starting real servers")
    seconds = options.window.total_seconds() / options.time_scale
    async with Lab(options.config.parent, options.time_scale) as lab:
        here = at_the_lab(config, lab.addresses, lab.ledger, options.time_scale)
        async with (
            open_client(here.probe) as client,
            running(Load(client, Plan(ConstantArrivals(options.rate), 10_000))),
        ):
            lines.tell(f"lab: {options.rate:g} transactions a second for {format_seconds(seconds)}")
            await asyncio.sleep(seconds)
            yield here
