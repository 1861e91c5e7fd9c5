"""Commands and exit codes; nothing else. What a command needs is imported when it runs."""

from __future__ import annotations

import gc
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agent import __version__, probe_options
from agent.exit_codes import USAGE
from agent.running import run

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console


app = typer.Typer(
    name="alertdrill",
    help="A fire drill for alerts: break something on purpose, and prove which alerts fire.",
    epilog="Exit codes: 0 passed, 1 an expectation was not met or the audit failed, 2 usage or configuration,"
    " 3 inconclusive, 4 a fault could not be undone, 99 a threshold was crossed, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_OBJECTS_BEFORE_COLLECTING = 50_000

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The agent's configuration.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text (also by the variable NO_COLOR).")]


class Form(StrEnum):
    """How an explanation is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


class ReviewForm(StrEnum):
    """How a review is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"


class CardForm(StrEnum):
    """How a score card is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


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


@app.command(
    epilog="Examples: alertdrill drill configs/drills/database-latency.yml --lab --time-scale 30,"
    " alertdrill drill configs/drills/*.yml --lab --time-scale 60 --parallel 3"
)
def drill(  # noqa: PLR0913, PLR0917 - one parameter for each option
    files: Annotated[list[Path], typer.Argument(help="Drill files, run one after another.", metavar="FILE…")],
    config: ConfigOption = Path("configs/agent.yml"),
    lab: Annotated[bool, typer.Option("--lab", help="Run on the embedded stack of real servers.")] = False,
    time_scale: Annotated[
        float | None, typer.Option(help="Divide every duration of the lab and the drill.", min=1.0)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of recordings and reports.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Find every target and print what would be done, in order; break nothing.")
    ] = False,
    parallel: Annotated[
        int, typer.Option(help="So many labs at once; each runs the next drill that is left.", min=1, max=64)
    ] = 1,
    claims: Annotated[Path | None, typer.Option(hidden=True)] = None,
    no_color: NoColor = False,
) -> None:
    """Run drills now: load, fault, verdicts, reports."""
    from agent import session

    console = _console(no_color=no_color)
    if parallel > 1 and (not lab or dry_run):
        _fail("--parallel needs --lab, and no --dry-run: servers of your own are drilled one drill at a time")
    if time_scale is not None and not lab:
        _fail("--time-scale needs --lab: servers of your own keep their own durations")
    options = session.Options(
        files=files,
        config=config,
        lab=lab,
        time_scale=time_scale or 1.0,
        output=output,
        dry_run=dry_run,
        claims=claims,
    )
    if parallel > 1:
        from agent.parallel import run_parallel

        raise typer.Exit(run(lambda: run_parallel(options, parallel, console)))
    raise typer.Exit(run(lambda: session.run_drills(options, console)))


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
    from agent.load_options import Options
    from agent.load_session import run_load

    if listen is not None and not re.fullmatch(r"[^:]+:\d+", listen):
        _fail(f"--listen: {listen!r} is no address, expected HOST:PORT such as 127.0.0.1:9095")
    options = Options(
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
        acknowledged=acknowledged,
        listen=listen,
    )
    raise typer.Exit(run(lambda: run_load(options, _console(no_color=no_color)), mends=False))


def _duration(text: str, option: str = "--duration") -> timedelta:
    from units.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        _fail(f"{option}: {error}")


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


@app.command(
    epilog="Example: alertdrill report recordings/database-latency-20260102T030405Z.recording.json.gz --postmortem"
)
def report(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: Annotated[Path, typer.Argument(help="A recording.", metavar="RECORDING")],
    postmortem: Annotated[bool, typer.Option("--postmortem", help="The post-incident document, as Markdown.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder of the reports (that of the recording), or the post-mortem's file."
        ),
    ] = None,
    slow: Annotated[str, typer.Option(help="From when on a transaction counts as slow in a post-mortem.")] = "2s",
    probe: Annotated[
        Path | None,
        typer.Option(help="The probe file of the drill: what its transactions carried.", metavar="FILE.yml"),
    ] = None,
    runbooks: Annotated[Path, typer.Option(help="Folder of runbooks.")] = Path("configs/runbooks"),
    no_color: NoColor = False,
) -> None:
    """Write the reports of a drill again from its recording, or its post-mortem."""
    from agent import report_command
    from agent.errors import ConfigError

    options = report_command.Options(
        file=file, output=output, postmortem=postmortem, slow=_duration(slow, "--slow"), probe=probe, runbooks=runbooks
    )
    try:
        report_command.show(options, _console(no_color=no_color))
    except ConfigError as error:
        _fail(str(error))


@app.command(
    epilog="Example: alertdrill review recordings --since 7d --rules configs/prometheus/rules.yml --format html > week.html"
)
def review(  # noqa: PLR0913, PLR0917 - one parameter for each option
    folder: Annotated[Path, typer.Argument(help="Folder of recordings.", metavar="FOLDER")] = Path("recordings"),
    since: Annotated[str | None, typer.Option(help="Only drills of so long ago, such as 7d; all if none.")] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rules whose alerts must be proven; those of the last drill if none.")
    ] = None,
    form: Annotated[ReviewForm, typer.Option("--format", help="How to print it.")] = ReviewForm.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when an alert was not proven.")] = False,
    no_color: NoColor = False,
) -> None:
    """Review many drills: which alerts were proven when, how long each takes to fire, which were never proven."""
    from agent import review_command
    from agent.errors import ConfigError

    options = review_command.Options(
        folder=folder, since=None if since is None else _duration(since, "--since"), rules=rules or [], form=form
    )
    try:
        made = review_command.show(options, _console(no_color=no_color), lambda text: typer.echo(text, err=True))
    except ConfigError as error:
        _fail(str(error))
    raise typer.Exit(int(strict and bool(made.unproven)))


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


@app.command(
    epilog="Examples: alertdrill explain configs/prometheus/rules.yml, alertdrill explain --config configs/agent.yml"
)
def explain(  # noqa: PLR0913, PLR0917 - one parameter for each option
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Rule files, PrometheusRule resources, folders.", metavar="RULES")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Without RULES: ask the servers of this configuration.")
    ] = None,
    prometheus: Annotated[Path | None, typer.Option(help="prometheus.yml; by default the one near the rules.")] = None,
    alertmanager: Annotated[Path | None, typer.Option(help="alertmanager.yml, found likewise.")] = None,
    kpis: Annotated[Path | None, typer.Option(help="kpis.yml: what the service has promised, found likewise.")] = None,
    scrape_interval: Annotated[str | None, typer.Option(help="Of series whose job is not known.")] = None,
    evaluation_interval: Annotated[str | None, typer.Option(help="Of groups without an interval.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only this alert.", metavar="NAME")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = Form.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when a rule has a problem.")] = False,
    no_color: NoColor = False,
) -> None:
    """Explain rules: how soon and how late each may fire, what it must see, and what a reviewer would say."""
    from agent import explain as rules
    from agent.explain_command import show

    options = rules.Options(
        paths=paths or [],
        prometheus=prometheus,
        alertmanager=alertmanager,
        kpis=kpis,
        scrape_interval=None if scrape_interval is None else _duration(scrape_interval, "--scrape-interval"),
        evaluation_interval=None
        if evaluation_interval is None
        else _duration(evaluation_interval, "--evaluation-interval"),
        rule=rule,
    )
    raise typer.Exit(run(lambda: show(options, config, form, _console(no_color=no_color), strict=strict)))


@app.command(
    epilog="Examples: alertdrill kpi --window 1h, alertdrill kpi --format html > kpis.html,"
    " alertdrill kpi --lab --time-scale 30. Exit codes: 0 every target is met, 1 a KPI is red, 2 usage or"
    " configuration, 3 a KPI with a target has no data."
)
def kpi(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: ConfigOption = Path("configs/agent.yml"),
    kpis: Annotated[
        Path | None, typer.Option(help="kpis.yml; by default `kpis` of the configuration.", metavar="FILE.yml")
    ] = None,
    window: Annotated[str, typer.Option(help="How far back to look.", metavar="DURATION")] = "5m",
    at: Annotated[
        str | None, typer.Option(help="Look from there, such as 2026-01-02T03:04:05Z; by default now.", metavar="TIME")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Earlier runs; by default kpis.jsonl beside the recordings.", metavar="FILE.jsonl"),
    ] = None,
    form: Annotated[CardForm, typer.Option("--format", help="How to print it.")] = CardForm.TEXT,
    lab: Annotated[bool, typer.Option("--lab", help="Show it on the embedded stack, after a window of load.")] = False,
    time_scale: Annotated[float, typer.Option(help="Divide every duration of the lab.", min=1.0)] = 1.0,
    rate: Annotated[float, typer.Option(help="Transactions a second of the lab's load.", min=0.01)] = 200.0,
    no_color: NoColor = False,
) -> None:
    """Tell how the service stands by its KPIs: value, target, and trend (exit code 1 when one is red)."""
    from agent.scorecard.command import Options, show

    if time_scale != 1 and not lab:
        _fail("--time-scale needs --lab: servers of your own keep their own durations")
    over = _duration(window, "--window")
    if not over:
        _fail("--window: 0 is no window, expected a duration such as 5m")
    options = Options(
        config=config,
        kpis=kpis,
        window=over,
        at=None if at is None else _instant(at),
        history=history,
        form=form,
        lab=lab,
        time_scale=time_scale,
        rate=rate,
    )
    raise typer.Exit(run(lambda: show(options, _console(no_color=no_color)), mends=False))


def _instant(text: str) -> float:
    from datetime import UTC, datetime

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        _fail(f"--at: {text!r} is no instant, expected one such as 2026-01-02T03:04:05Z")
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


@app.command(epilog="Example: alertdrill lab --time-scale 30 --kafka")
def lab(
    config: ConfigOption = Path("configs/agent.yml"),
    time_scale: Annotated[float, typer.Option(help="Divide every duration of the lab.", min=1.0)] = 1.0,
    kafka: Annotated[bool, typer.Option("--kafka", help="With a broker, and the settlement of payments.")] = False,
    replicas: Annotated[int, typer.Option(help="Engines; behind HAProxy if several.", min=1, max=4)] = 1,
    no_color: NoColor = False,
) -> None:
    """Start the embedded stack of real servers and keep it up until Ctrl-C."""
    from agent import session
    from lab.parts import Parts

    parts = Parts(kafka=kafka, replicas=replicas)
    raise typer.Exit(run(lambda: session.keep_lab(config, time_scale, parts, _console(no_color=no_color))))


@app.command(epilog="Example: alertdrill toxiproxy --port 8474 --config proxies.json --proxy-metrics")
def toxiproxy(
    host: Annotated[str, typer.Option(help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where the API listens.", min=1, max=65535)] = 8474,
    config: Annotated[Path | None, typer.Option(help="A JSON list of proxies to begin with.", metavar="FILE")] = None,
    proxy_metrics: Annotated[bool, typer.Option("--proxy-metrics", help="Serve /metrics: bytes by proxy.")] = False,
) -> None:
    """Run the embedded Toxiproxy alone until Ctrl-C."""
    from chaos.toxiproxy.embedded.server import Options
    from chaos.toxiproxy.embedded.server import run as run_server

    raise typer.Exit(run_server(Options(host=host, port=port, config=config, proxy_metrics=proxy_metrics)))


@app.command(epilog="Examples: alertdrill heal --dry-run, alertdrill heal --config configs/agent.yml")
def heal(
    config: ConfigOption = Path("configs/agent.yml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be undone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Undo the faults of drills that still run, too.")] = False,
) -> None:
    """Undo whatever the ledger says is still broken and nobody else undoes."""
    from agent import mending

    raise typer.Exit(
        run(lambda: mending.heal(mending.ledger_of(config), typer.echo, dry_run=dry_run, force=force), mends=False)
    )


@app.command(epilog="Example: alertdrill status --json")
def status(
    config: ConfigOption = Path("configs/agent.yml"),
    json: Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")] = False,
    no_color: NoColor = False,
) -> None:
    """Show which faults are in force, whose they are, and for how long yet."""
    from agent import mending

    async def show() -> int:
        return mending.status(mending.ledger_of(config), _console(no_color=no_color), as_json=json)

    raise typer.Exit(run(show, mends=False))


def _console(*, no_color: bool) -> Console:
    from rich.console import Console

    return Console(no_color=no_color or None, highlight=False)


def _fail(text: str) -> NoReturn:
    typer.echo(f"alertdrill: {text}", err=True)
    raise typer.Exit(USAGE)


def main() -> None:
    """Run the command line."""
    # Of the start's CPU a fifth went into looking through every installed package for plugins of pydantic, of which
    # there are none, and an eighth into collecting garbage among imports, where there is none either.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    app(prog_name="alertdrill")
