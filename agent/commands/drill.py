"""`alertdrill drill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, NoColor, command, fail, finite, named, open_console
from alertdrill.agent.commands.running import explained, run

_Files = Annotated[
    list[Path],
    typer.Argument(
        help="Drill files, run one after another; a bare NAME is drills/NAME.yml beside the configuration.",
        metavar="FILE…",
    ),
]


@command(
    "alertdrill drill database-latency --lab --time-scale 30",
    "alertdrill drill configs/drills/*.yml --lab --time-scale 60 --parallel 3",
    "alertdrill drill drills/checkout.yml --config agent.yml --dry-run",
)
def drill(  # noqa: PLR0913, PLR0917 - one parameter for each option
    files: _Files,
    config: ConfigOption = None,
    lab: Annotated[bool, typer.Option("--lab", help="Run on the embedded stack of real servers.")] = False,
    time_scale: Annotated[
        float | None, typer.Option(help="Divide every duration of the lab and the drill.", min=1.0, callback=finite)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of recordings and reports.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Find every target and print what would be done, in order; break nothing.")
    ] = False,
    parallel: Annotated[
        int, typer.Option(help="Number of labs at once; each runs the next drill that is left.", min=1, max=64)
    ] = 1,
    turns: Annotated[int | None, typer.Option(hidden=True)] = None,
    no_color: NoColor = False,
) -> None:
    """Run drills now: load, fault, verdicts, reports."""
    if parallel > 1 and (not lab or dry_run):
        fail("--parallel needs --lab, and no --dry-run: servers of your own are drilled one drill at a time")
    if time_scale is not None and not lab:
        fail("--time-scale needs --lab: servers of your own keep their own durations")
    from alertdrill.agent import on_lab
    from alertdrill.agent.drilling import session
    from alertdrill.agent.drilling.session import DrillOptions

    console = open_console(no_color=no_color)
    read = on_lab.configuration(config, lab=lab)
    options = DrillOptions(
        files=[named(file, read.parent / "drills") for file in files],
        config=read,
        lab=lab,
        time_scale=time_scale or 1.0,
        output=output,
        dry_run=dry_run,
        turns=turns,
    )
    if turns is None:
        _report_missing_libraries(lab=lab)
    if parallel > 1:
        from alertdrill.agent.drilling.parallel import run_parallel

        raise typer.Exit(run(lambda: run_parallel(options, parallel, console)))
    raise typer.Exit(run(lambda: session.run_drills(options, console)))


def _report_missing_libraries(*, lab: bool) -> None:
    """Fail if a library of the lab is missing; if one of the reports is missing, only print a note."""
    from alertdrill.agent import on_lab
    from alertdrill.agent.report.drill import files as report_files
    from alertdrill.units.extras import LibraryMissing

    with explained():
        if lab:
            on_lab.require_libraries()
    try:
        report_files.require_libraries()
    except LibraryMissing as error:
        typer.echo(f"alertdrill: only JSON reports will be written: {error}", err=True)
