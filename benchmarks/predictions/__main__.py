"""`python -m benchmarks.predictions`: runs every case and prints predicted and observed instants."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from alertdrill import __version__
from benchmarks import results
from benchmarks.errors import exit_on_error
from benchmarks.predictions import table
from benchmarks.predictions.cases import cases
from benchmarks.predictions.run import run_cases
from benchmarks.predictions.stage import Programs, only


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Names of cases; all by default.")] = None,
    prometheus: Annotated[Path | None, typer.Option(help="Prometheus program; the installed one by default.")] = None,
    alertmanager: Annotated[
        Path | None, typer.Option(help="Alertmanager program; the installed one by default.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
) -> None:
    """Run the cases on real servers, and print when each alert was predicted and observed."""
    with exit_on_error():
        found = Programs.installed()
        programs = Programs(prometheus or found.prometheus, alertmanager or found.alertmanager)
        here = results.circumstances({})
        chosen = only(cases(programs.major), set(names or []))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(run_cases(chosen, programs))
    recorded = result.recording
    versions = {"Prometheus": recorded.prometheus.version, "Alertmanager": recorded.alertmanager.version}
    text = table.markdown(result, replace(here, versions={"alertdrill": __version__} | versions))
    typer.echo(text)
    if output is not None:
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
