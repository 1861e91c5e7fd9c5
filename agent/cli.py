"""Commands and exit codes; nothing else. What a command needs is imported when it runs."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from agent import __version__

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console


USAGE, NOT_HEALED, INTERRUPTED = 2, 4, 130

app = typer.Typer(
    name="alertdrill",
    help="A fire drill for alerts: break something on purpose, and prove which alerts fire.",
    epilog="Exit codes: 0 passed, 1 an expectation was not met, 2 usage or configuration, 3 inconclusive,"
    " 4 a fault could not be undone, 99 a threshold was crossed, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The agent's configuration.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text (also by the variable NO_COLOR).")]

# Typer keeps the lines of a paragraph that begins with \\b.
_PROBE_EXAMPLES = (
    """\b
Examples:
  alertdrill probe shop.yml --html shop.html
  alertdrill probe shop.yml --rate 200 --duration 20s
  alertdrill probe shop.yml --rate 30000 --workers 3
  alertdrill probe shop.yml --out csv=seconds.csv --out jsonl=seconds.jsonl
  alertdrill probe shop.yml --quiet --no-color --summary-export shop.json
  alertdrill probe configs/probes/payment.yml --lab --time-scale 60

"""
    "Exit codes: 0 passed, 2 usage or configuration, or a file was not written and nothing worse happened,"
    " 99 a threshold was crossed, 130 interrupted (and the summary is of what ran so far)."
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"alertdrill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: alertdrill drill configs/drills/database-latency.yml --lab --time-scale 30")
def drill(  # noqa: PLR0913, PLR0917 - one parameter for each option
    files: Annotated[list[Path], typer.Argument(help="Drill files, run one after another.", metavar="FILE…")],
    config: ConfigOption = Path("configs/agent.yml"),
    lab: Annotated[bool, typer.Option("--lab", help="Run on the embedded stack of real servers.")] = False,
    time_scale: Annotated[
        float | None, typer.Option(help="Divide every duration of the lab and the drill.", min=1.0)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of recordings and reports.")] = None,
    no_color: NoColor = False,
) -> None:
    """Run drills now: load, fault, verdicts, reports."""
    from agent import session

    console = _console(no_color=no_color)
    if time_scale is not None and not lab:
        _fail("--time-scale needs --lab: servers of your own keep their own durations")
    options = session.Options(files=files, config=config, lab=lab, time_scale=time_scale or 1.0, output=output)
    raise typer.Exit(_run(lambda: session.run_drills(options, console)))


@app.command(epilog=_PROBE_EXAMPLES)
def probe(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: Annotated[Path, typer.Argument(help="A probe file: transaction, load, thresholds.", metavar="FILE")],
    rate: Annotated[
        float | None, typer.Option(help="Transactions a second, in the place of the file's load.", min=0.01)
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            help="How long, such as 20s or 5m; with --rate and without this, until Ctrl-C.", metavar="DURATION"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that send; by default as many as the rate needs.", min=1, max=256)
    ] = None,
    time_scale: Annotated[
        float, typer.Option(help="Divide the durations of the load (and of the lab).", min=1.0)
    ] = 1.0,
    lab: Annotated[bool, typer.Option("--lab", help="Run against the embedded stack of real servers.")] = False,
    config: ConfigOption = Path("configs/agent.yml"),
    summary_export: Annotated[
        Path | None, typer.Option(help="Write the summary as JSON, with k6's keys.", metavar="FILE.json")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with plots, which needs no network.", metavar="FILE.html")
    ] = None,
    out: Annotated[
        list[str] | None,
        typer.Option(
            help="Write a line for each second while the load runs, to csv=FILE or jsonl=FILE; may be given several"
            " times. If FILE breaks on the way, the load goes on; the exit code is 2 if nothing worse happened.",
            metavar="FORMAT=FILE",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show the summary alone.")] = False,
    no_color: NoColor = False,
) -> None:
    """Run a load alone, in the manner of k6, and judge it by its thresholds (exit code 99 when one is crossed)."""
    from agent import load_session

    options = load_session.Options(
        file=file,
        rate=rate,
        duration=None if duration is None else _duration(duration),
        workers=workers,
        lab=lab,
        config=config,
        time_scale=time_scale,
        summary_export=summary_export,
        html=html,
        out=out or (),
        quiet=quiet,
    )
    raise typer.Exit(_run(lambda: load_session.run_load(options, _console(no_color=no_color)), mends=False))


def _duration(text: str) -> timedelta:
    from units.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        _fail(f"--duration: {error}")


@app.command(epilog="Example: alertdrill import-k6 load-test.js --output configs/probes/checkout.yml")
def import_k6(
    file: Annotated[Path, typer.Argument(help="A k6 script.", metavar="FILE.js")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The probe file; standard output if none.", metavar="FILE.yml")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
) -> None:
    """Turn a k6 script into a probe file, and say on standard error what was not carried over, with its line."""
    from agent.errors import ConfigError
    from agent.import_k6 import files

    try:
        if output is not None and not force:
            files.require_free(output)
        converted = files.convert_file(file)
        if output is not None:
            files.write(output, converted.text)
    except ConfigError as error:
        _fail(str(error))
    if output is None:
        typer.echo(converted.text, nl=False)
    for note in converted.notes:
        typer.echo(files.spell(file, note), err=True)


@app.command(epilog="Example: alertdrill judge recordings/database-latency-20260102T030405Z.recording.json.gz")
def judge(
    file: Annotated[Path, typer.Argument(help="A recording.", metavar="RECORDING")],
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
    no_color: NoColor = False,
) -> None:
    """Give the verdicts again, from a recording alone."""
    from agent import recording as recordings
    from agent.errors import ConfigError
    from agent.report import json_report, terminal
    from agent.verdict.judge import judge as judge_recording

    try:
        recording = recordings.load(file)
    except ConfigError as error:
        _fail(str(error))
    judgement = judge_recording(recording)
    if json:
        typer.echo(json_report.render(recording, judgement))
    else:
        _console(no_color=no_color).print(terminal.render(recording, judgement))
    raise typer.Exit(judgement.exit_code)


@app.command(epilog="Example: alertdrill check configs/")
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders; configs/ if none.")] = None,
) -> None:
    """Check configuration, drills and rules: all errors at once, with file and line."""
    from agent.check import check as check_files

    findings = check_files(paths or [Path("configs")])
    for problem in findings.problems:
        typer.echo(problem, err=True)
    read = (
        f"{findings.agent} configuration(s), {findings.probes} probe file(s),"
        f" {len(findings.drills)} drill(s), {len(findings.rules)} rule file(s)"
    )
    typer.echo(f"{read}: {len(findings.problems)} problem(s)")
    raise typer.Exit(USAGE if findings.problems else 0)


@app.command(epilog="Example: alertdrill lab --time-scale 30")
def lab(
    config: ConfigOption = Path("configs/agent.yml"),
    time_scale: Annotated[float, typer.Option(help="Divide every duration of the lab.", min=1.0)] = 1.0,
    no_color: NoColor = False,
) -> None:
    """Start the embedded stack of real servers and keep it up until Ctrl-C."""
    from agent import session

    raise typer.Exit(_run(lambda: session.keep_lab(config, time_scale, _console(no_color=no_color))))


@app.command(epilog="Example: alertdrill heal --config configs/agent.yml")
def heal(config: ConfigOption = Path("configs/agent.yml")) -> None:
    """Undo whatever the ledger says is still broken."""
    from agent import session

    raise typer.Exit(_run(lambda: session.heal(config, typer.echo)))


def _console(*, no_color: bool) -> Console:
    from rich.console import Console

    return Console(no_color=no_color or None, highlight=False)


def _fail(text: str) -> NoReturn:
    typer.echo(f"alertdrill: {text}", err=True)
    raise typer.Exit(USAGE)


def _run(main: Callable[[], Coroutine[Any, Any, int]], *, mends: bool = True) -> int:
    """Run a command on uvloop; SIGINT and SIGTERM cancel it, so that all it broke is mended first."""
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_signalled(main, "stopping: undoing what is broken …" if mends else "stopping …"))
    except asyncio.CancelledError:
        typer.echo(f"alertdrill: interrupted{'; every fault was undone' if mends else ''}", err=True)
        return INTERRUPTED
    except BaseExceptionGroup as group:
        return _explain(group)
    except Exception as error:  # noqa: BLE001 - the one place where errors become exit codes
        return _explain(BaseExceptionGroup("", [error]))


async def _until_signalled(main: Callable[[], Coroutine[Any, Any, int]], stopping: str) -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        # A live view takes what is written here and puts it above itself; it is not asked by typer.
        sys.stderr.write(f"alertdrill: {stopping}\n")
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    return await main()


def _explain(group: BaseExceptionGroup[BaseException]) -> int:
    """Print each expected error as a line and tell the exit code; a bug is raised again."""
    from agent.errors import ConfigError, ServiceUnavailable
    from chaos.errors import FaultNotApplied, FaultNotHealed
    from lab.errors import LabError
    from probes.workers import WorkersDied

    known = (ConfigError, ServiceUnavailable, FaultNotApplied, FaultNotHealed, LabError, WorkersDied)
    matched, rest = group.split(known)
    if rest is not None or matched is None:
        raise group
    codes = [USAGE]
    for error in _leaves(matched):
        for line in str(error).splitlines():
            typer.echo(f"alertdrill: {line}", err=True)
        codes.append(NOT_HEALED if isinstance(error, FaultNotHealed) else USAGE)
    return max(codes)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def main() -> None:
    """Run the command line."""
    app(prog_name="alertdrill")
