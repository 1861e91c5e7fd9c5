"""`alertdrill run`."""

from __future__ import annotations

import contextlib
import gc
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alertdrill.agent.commands.options import AUTO, ConfigOption, at_least_one, command, fail
from alertdrill.agent.commands.running import run as run_loop

if TYPE_CHECKING:
    from alertdrill.agent.daemon.starting import Rest
    from alertdrill.agent.log import Log

_RequireClean = Annotated[
    bool, typer.Option("--require-clean", help="End with code 4 if an earlier fault cannot be undone.")
]
_WebConfig = Annotated[
    Path | None,
    typer.Option("--web-config", help="TLS, and who may call what; instead of web.config_file in agent.yml."),
]
_Lab = Annotated[
    bool, typer.Option("--lab", help="On the embedded stack of real servers, with a drill every few minutes.")
]
_TimeScale = Annotated[
    str | None,
    typer.Option(
        help="Divide every duration of the lab and of its drills; auto: as much as this machine can keep.",
        metavar="NUMBER|auto",
        show_default=AUTO,
        callback=at_least_one,
    ),
]
_LogFormat = Annotated[Literal["text", "logfmt", "json"], typer.Option("--log-format", help="How a line is written.")]
_LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", help="The least grave lines to write."),
]


@command(
    "alertdrill run --config agent.yml",
    "alertdrill run --config agent.yml --require-clean",
    "alertdrill run --config agent.yml --web-config web.yml",
    "alertdrill run --lab",
    "alertdrill run --lab --time-scale 30",
    "alertdrill run --config agent.yml --log-format json --log-level warning",
    note="It ends with code 0 at SIGTERM or Ctrl-C, and reads its configuration again at SIGHUP.",
)
def run(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: ConfigOption = None,
    require_clean: _RequireClean = False,
    web_config: _WebConfig = None,
    lab: _Lab = False,
    time_scale: _TimeScale = None,
    log_format: _LogFormat = "text",
    log_level: _LogLevel = "info",
) -> None:
    """Run the load all the time, and drills by schedule.

    Until SIGTERM or Ctrl-C, which first undo what a drill has broken.
    """
    # Looking for garbage among what is imported would take a tenth of the time until the agent is healthy.
    gc.disable()
    import asyncio

    from alertdrill.agent import on_lab
    from alertdrill.agent.log import Log, LogFormat, LogLevel

    if time_scale is not None and not lab:
        fail("--time-scale needs --lab: servers of your own keep their own durations")
    path = on_lab.configuration(config, lab=lab)
    log = Log(_write, lambda: datetime.now(UTC), time.monotonic, LogFormat(log_format), LogLevel(log_level))

    async def run_here() -> None:
        if lab:
            await _run_game_day(path, time_scale, log)
            return
        from alertdrill.agent.daemon.starting import Started, run_agent

        await run_agent(Started(path, web_config, require_clean), log, _rest)

    async def until_stopped() -> int:
        try:
            await run_here()
        except asyncio.CancelledError:
            log("stopped")
        return 0

    code = run_loop(until_stopped)
    # Otherwise Python looks through all objects once more before it ends, and a pod has little time for that.
    gc.freeze()
    raise typer.Exit(code)


async def _run_game_day(path: Path, time_scale: str | None, log: Log) -> None:
    from alertdrill.agent.daemon.game_day import run_game_day

    await run_game_day(path, None if time_scale in {None, AUTO} else float(time_scale or 1), log, _rest)


def _rest() -> Rest:
    """Import what runs an agent, and what it serves."""
    from functools import partial

    from alertdrill.agent.daemon.agent import run as run_rest
    from alertdrill.agent.pages.routes import Pages

    return partial(run_rest, more=Pages)


def _write(line: str) -> None:
    """Print a line; an agent goes on when nobody reads it any more."""
    with contextlib.suppress(OSError):
        typer.echo(line)
