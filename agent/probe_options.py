"""The options of `alertdrill probe`, as its help tells of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import finite

# Typer keeps the lines of a paragraph that begins with \\b.
EPILOG = (
    """\b
Examples:
  alertdrill probe shop.yml --html shop.html
  alertdrill probe shop.yml --rate 200 --duration 20s
  alertdrill probe shop.yml --rate 30000 --workers 3
  alertdrill probe shop.yml --out csv=seconds.csv --out jsonl=seconds.jsonl
  alertdrill probe shop.yml --quiet --no-color --summary-export shop.json
  alertdrill probe configs/probes/payment.yml --lab --time-scale 60
  alertdrill probe configs/probes/phases.yml --lab --time-scale 10 --html capacity.html

"""
    "Exit codes: 0 passed, 1 the audit failed, 2 usage or configuration, or a file was not written,"
    " 99 a threshold was crossed or a phase did not pass, 130 interrupted (and the summary is of what ran so far)."
)

File = Annotated[Path, typer.Argument(help="A probe file: transaction, load, thresholds.", metavar="FILE")]
Rate = Annotated[
    float | None,
    typer.Option(
        help="Transactions a second, in the place of the file's load.", min=0.01, max=100_000, callback=finite
    ),
]
Duration = Annotated[
    str | None,
    typer.Option(help="How long, such as 20s or 5m; with --rate and without this, until Ctrl-C.", metavar="DURATION"),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes that send; by default as many as the rate needs.", min=1, max=256)
]
TimeScale = Annotated[
    float, typer.Option(help="Divide the durations of the load (and of the lab).", min=1.0, callback=finite)
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="An agent.yml: a load in phases is judged by the KPIs of its Prometheus as well; with --lab,"
        " configs/agent.yml unless set.",
    ),
]
Lab = Annotated[bool, typer.Option("--lab", help="Run against the embedded stack of real servers.")]
SummaryExport = Annotated[
    Path | None, typer.Option(help="Write the summary as JSON, with k6's keys.", metavar="FILE.json")
]
Html = Annotated[
    Path | None, typer.Option(help="Write a page with plots, which needs no network.", metavar="FILE.html")
]
Out = Annotated[
    list[str] | None,
    typer.Option(
        help="Write a line for each second while the load runs, to csv=FILE or jsonl=FILE; may be given several"
        " times. If FILE breaks on the way, the load goes on, and the exit code is 2.",
        metavar="FORMAT=FILE",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show the summary alone.")]
Acknowledged = Annotated[
    Path | None, typer.Option(help="Keep the ids of the transactions that succeeded, a line each.", metavar="FILE")
]
Listen = Annotated[str | None, typer.Option(help="Serve the load's metrics there, at /metrics.", metavar="HOST:PORT")]
