"""Commands of the load alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent import probe_options
from alertdrill.agent.commands.options import NoColor, duration_of, fail, open_console
from alertdrill.agent.commands.running import run

app = typer.Typer()


@app.command(epilog=probe_options.EPILOG)
def probe(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: probe_options.File,
    rate: probe_options.Rate = None,
    duration: probe_options.Duration = None,
    workers: probe_options.Workers = None,
    time_scale: probe_options.TimeScale = 1.0,
    lab: probe_options.Lab = False,
    config: probe_options.Config = None,
    summary_export: probe_options.SummaryExport = None,
    html: probe_options.Html = None,
    out: probe_options.Out = None,
    quiet: probe_options.Quiet = False,
    acknowledged: probe_options.Acknowledged = None,
    listen: probe_options.Listen = None,
    no_color: NoColor = False,
) -> None:
    """Run a load alone, in the manner of k6, and judge it by its thresholds (exit code 99 when one is crossed)."""
    from alertdrill.agent.loading.options import Options
    from alertdrill.agent.loading.session import run_load

    if listen is not None and not re.fullmatch(r"[^:]+:\d+", listen):
        fail(f"--listen: {listen!r} is no address, expected HOST:PORT such as 127.0.0.1:9095")
    lasts = None if duration is None else duration_of(duration)
    if lasts is not None and not lasts:
        fail("--duration: in 0 nothing is sent, expected a duration such as 20s")
    options = Options(
        file=file,
        rate=rate,
        duration=lasts,
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
    )
    raise typer.Exit(run(lambda: run_load(options, open_console(no_color=no_color)), mends=False))


@app.command(epilog="Example: alertdrill import-k6 load-test.js --output configs/probes/checkout.yml")
def import_k6(
    file: Annotated[Path, typer.Argument(help="A k6 script.", metavar="FILE.js")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The probe file; standard output if none.", metavar="FILE.yml")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
) -> None:
    """Turn a k6 script into a probe file, and say on standard error what was not carried over, with its line."""
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.import_k6 import files

    try:
        if output is not None and not force:
            files.require_free(output)
        converted = files.convert_file(file)
        if output is not None:
            files.write(output, converted.text)
    except ConfigError as error:
        fail(str(error))
    if output is None:
        typer.echo(converted.text, nl=False)
    for note in converted.notes:
        typer.echo(files.spell(file, note), err=True)
