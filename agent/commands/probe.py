"""`alertdrill probe`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import (
    NoColor,
    command,
    fail,
    finite,
    named,
    open_console,
    positive_duration_of,
    variables,
)
from alertdrill.agent.commands.running import run


def _address(listen: str | None) -> str | None:
    if listen is not None and not re.fullmatch(r"[^:]+:\d+", listen):
        fail(f"--listen: {listen!r} is not an address, expected HOST:PORT such as 127.0.0.1:9095")
    return listen


def _found(file: Path, config: Path | None, *, lab: bool) -> Path:
    from alertdrill.agent import on_lab

    return named(file, on_lab.configuration(config, lab=lab).parent / "probes")


_File = Annotated[
    Path,
    typer.Argument(
        help="A probe file: transaction, load, thresholds; a bare NAME is probes/NAME.yml beside the configuration.",
        metavar="FILE",
    ),
]
_Rate = Annotated[
    float | None,
    typer.Option(help="Transactions a second, instead of the file's load.", min=0.01, max=100_000, callback=finite),
]
_Duration = Annotated[
    str | None,
    typer.Option(help="How long, such as 20s or 5m; with --rate and without this, until Ctrl-C.", metavar="DURATION"),
]
_Workers = Annotated[
    int | None, typer.Option(help="Processes that send; by default as many as the rate needs.", min=1, max=256)
]
_TimeScale = Annotated[
    float, typer.Option(help="Divide the durations of the load (and of the lab).", min=1.0, callback=finite)
]
_Lab = Annotated[bool, typer.Option("--lab", help="Run against the embedded stack of real servers.")]
_Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="An agent.yml: the KPIs of its Prometheus judge a load in phases, too. With --lab, configs/agent.yml by"
        " default.",
    ),
]
_SummaryExport = Annotated[
    Path | None, typer.Option(help="Write the summary as JSON, with k6's keys.", metavar="FILE.json")
]
_Html = Annotated[
    Path | None, typer.Option(help="Write a page with plots, which needs no network.", metavar="FILE.html")
]
_Out = Annotated[
    list[str] | None,
    typer.Option(
        help="Write a line for each second while the load runs, to csv=FILE or jsonl=FILE; may be given several"
        " times. When FILE can no longer be written, the load goes on, and the exit code is 2.",
        metavar="FORMAT=FILE",
    ),
]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show the summary alone.")]
_Acknowledged = Annotated[
    Path | None, typer.Option(help="Keep the ids of the transactions that succeeded, a line each.", metavar="FILE")
]
_Url = Annotated[
    str | None,
    typer.Option(
        help="The URL instead of the file's; without a path, its host and port for all requests to the first one's.",
        metavar="URL",
    ),
]
_Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--env", "-e", help="A value for ${NAME} in the file; may be given several times.", metavar="NAME=VALUE"
    ),
]
_RequireHonest = Annotated[
    bool, typer.Option("--require-honest", help="End with exit code 3 when the load was not sent as planned.")
]
_Listen = Annotated[
    str | None,
    typer.Option(
        help="Serve the load's metrics at this address, under /metrics.", metavar="HOST:PORT", callback=_address
    ),
]


@command(
    "alertdrill probe shop.yml --html shop.html",
    "alertdrill probe shop.yml --rate 200 --duration 20s",
    "alertdrill probe shop.yml --url http://staging:8080 -e TOKEN=abc --require-honest",
    "alertdrill probe shop.yml --rate 30000 --workers 3",
    "alertdrill probe shop.yml --out csv=seconds.csv --out jsonl=seconds.jsonl",
    "alertdrill probe shop.yml --quiet --no-color --summary-export shop.json",
    "alertdrill probe payment --lab --time-scale 60",
    "alertdrill probe configs/probes/phases.yml --lab --time-scale 10 --html capacity.html",
    note="Exit codes: 0 passed, 1 the audit failed, 2 usage or configuration, or a file was not written,"
    " 3 with --require-honest, when the load was not sent as planned,"
    " 99 a threshold was crossed, a phase did not pass or no transaction was answered, 130 interrupted (and the summary is of what ran so far).",
)
def probe(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: _File,
    rate: _Rate = None,
    duration: _Duration = None,
    workers: _Workers = None,
    time_scale: _TimeScale = 1.0,
    lab: _Lab = False,
    config: _Config = None,
    summary_export: _SummaryExport = None,
    html: _Html = None,
    out: _Out = None,
    quiet: _Quiet = False,
    acknowledged: _Acknowledged = None,
    listen: _Listen = None,
    url: _Url = None,
    env: _Variables = None,
    require_honest: _RequireHonest = False,
    no_color: NoColor = False,
) -> None:
    """Run a load alone, in the manner of k6.

    Its thresholds judge it: the exit code is 99 when one is crossed.
    """
    os.environ.update(variables(env or ()))
    from alertdrill.agent.loading.options import LoadOptions
    from alertdrill.agent.loading.session import run_load

    options = LoadOptions(
        file=_found(file, config, lab=lab),
        rate=rate,
        duration=None if duration is None else positive_duration_of(duration),
        workers=workers,
        lab=lab,
        config=config,
        time_scale=time_scale,
        summary_export=summary_export,
        html=html,
        out=out or (),
        quiet=quiet,
        acknowledged=acknowledged,
        listen=listen,
        url=url,
        require_honest=require_honest,
    )
    raise typer.Exit(run(lambda: run_load(options, open_console(no_color=no_color)), undoes=False))
