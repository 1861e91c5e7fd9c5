"""`alertdrill drill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import (
    AUTO,
    ConfigOption,
    NoColor,
    at_least_one,
    command,
    fail,
    labs_at_once,
    named,
    open_console,
)
from alertdrill.agent.commands.running import explained, run

_Files = Annotated[
    list[Path],
    typer.Argument(
        help="Drill files, run one after another; a bare NAME is drills/NAME.yml beside the configuration.",
        metavar="FILE…",
    ),
]
_Lab = Annotated[bool, typer.Option("--lab", help="Run on the embedded stack of real servers.")]
_TimeScale = Annotated[
    str | None,
    typer.Option(
        help="Divide every duration of the lab and the drill; auto: as much as this machine can keep.",
        metavar="NUMBER|auto",
        callback=at_least_one,
    ),
]
_Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder of recordings and reports.")]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Find every target and print what would be done, in order; break nothing.")
]
_Parallel = Annotated[
    str,
    typer.Option(
        help="Number of labs at once, each of which runs the next drill that is left; auto: as many as fit.",
        metavar="NUMBER|auto",
        callback=labs_at_once,
    ),
]
_Proofs = Annotated[
    Path | None,
    typer.Option(help="Also note in this file what was proven, for `alertdrill gate`.", metavar="proofs.json"),
]


@command(
    "alertdrill drill database-latency --lab --time-scale 30",
    "alertdrill drill configs/drills/*.yml --lab --time-scale auto --parallel auto",
    "alertdrill drill drills/checkout.yml --config agent.yml --dry-run",
)
def drill(  # noqa: PLR0913, PLR0917 - one parameter for each option
    files: _Files,
    config: ConfigOption = None,
    lab: _Lab = False,
    time_scale: _TimeScale = None,
    output: _Output = None,
    dry_run: _DryRun = False,
    parallel: _Parallel = "1",
    proofs: _Proofs = None,
    turns: Annotated[int | None, typer.Option(hidden=True)] = None,
    paced: Annotated[bool, typer.Option("--paced", hidden=True)] = False,
    attempt: Annotated[int, typer.Option(hidden=True)] = 1,
    no_color: NoColor = False,
) -> None:
    """Run drills now: load, fault, verdicts, reports."""
    labs = None if parallel == AUTO else int(parallel)
    if labs != 1 and (not lab or dry_run):
        fail("--parallel needs --lab, and no --dry-run: servers of your own are drilled one drill at a time")
    if time_scale is not None and not lab:
        fail("--time-scale needs --lab: servers of your own keep their own durations")
    from alertdrill.agent import on_lab
    from alertdrill.agent.drilling import session

    console = open_console(no_color=no_color)
    read = on_lab.configuration(config, lab=lab)
    options = session.DrillOptions(
        files=[named(file, read.parent / "drills") for file in files],
        config=read,
        lab=lab,
        time_scale=None if time_scale == AUTO else float(time_scale or 1),
        output=output,
        dry_run=dry_run,
        turns=turns,
        is_paced=paced,
        attempt=attempt,
        proofs=proofs,
    )
    _require_proofs(proofs)
    if turns is None:
        _report_missing_libraries(lab=lab)
    if labs != 1:
        from alertdrill.agent.drilling.parallel import run_parallel

        raise typer.Exit(run(lambda: run_parallel(options, labs, console)))
    raise typer.Exit(run(lambda: session.run_drills(options, console)))


def _require_proofs(path: Path | None) -> None:
    """Fail now if a file cannot take proofs, and not after the drills."""
    if path is None or not path.exists():
        return
    from alertdrill.agent.gate.proofs import read_proofs

    with explained():
        read_proofs(path)


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
