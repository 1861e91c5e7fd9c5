"""Commands that break things, and see them whole again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, NoColor, fail, finite, open_console
from alertdrill.agent.commands.running import run

if TYPE_CHECKING:
    from rich.console import Console

    from alertdrill.lab.parts import Parts

app = typer.Typer()


@app.command(
    epilog="Examples: alertdrill drill configs/drills/database-latency.yml --lab --time-scale 30,"
    " alertdrill drill configs/drills/*.yml --lab --time-scale 60 --parallel 3"
)
def drill(  # noqa: PLR0913, PLR0917 - one parameter for each option
    files: Annotated[list[Path], typer.Argument(help="Drill files, run one after another.", metavar="FILE…")],
    config: ConfigOption = Path("configs/agent.yml"),
    lab: Annotated[bool, typer.Option("--lab", help="Run on the embedded stack of real servers.")] = False,
    time_scale: Annotated[
        float | None, typer.Option(help="Divide every duration of the lab and the drill.", min=1.0, callback=finite)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of recordings and reports.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Find every target and print what would be done, in order; break nothing.")
    ] = False,
    parallel: Annotated[
        int, typer.Option(help="So many labs at once; each runs the next drill that is left.", min=1, max=64)
    ] = 1,
    turns: Annotated[int | None, typer.Option(hidden=True)] = None,
    no_color: NoColor = False,
) -> None:
    """Run drills now: load, fault, verdicts, reports."""
    from alertdrill.agent.drilling import session

    console = open_console(no_color=no_color)
    if parallel > 1 and (not lab or dry_run):
        fail("--parallel needs --lab, and no --dry-run: servers of your own are drilled one drill at a time")
    if time_scale is not None and not lab:
        fail("--time-scale needs --lab: servers of your own keep their own durations")
    options = session.Options(
        files=files,
        config=config,
        lab=lab,
        time_scale=time_scale or 1.0,
        output=output,
        dry_run=dry_run,
        turns=turns,
    )
    if parallel > 1:
        from alertdrill.agent.drilling.parallel import run_parallel

        raise typer.Exit(run(lambda: run_parallel(options, parallel, console)))
    raise typer.Exit(run(lambda: session.run_drills(options, console)))


@app.command(epilog="Example: alertdrill lab --time-scale 30 --kafka")
def lab(
    config: ConfigOption = Path("configs/agent.yml"),
    time_scale: Annotated[
        float, typer.Option(help="Divide every duration of the lab.", min=1.0, callback=finite)
    ] = 1.0,
    kafka: Annotated[bool, typer.Option("--kafka", help="With a broker, and the settlement of payments.")] = False,
    replicas: Annotated[int, typer.Option(help="Engines; behind HAProxy if several.", min=1, max=4)] = 1,
    no_color: NoColor = False,
) -> None:
    """Start the embedded stack of real servers and keep it up until Ctrl-C."""
    from alertdrill.lab.parts import Parts

    parts = Parts(kafka=kafka, replicas=replicas)
    raise typer.Exit(run(lambda: _keep_lab(config, time_scale, parts, open_console(no_color=no_color))))


async def _keep_lab(config: Path, time_scale: float, parts: Parts, console: Console) -> int:
    """Start the lab, show what runs where, and keep it up until cancelled."""
    import asyncio

    from rich.table import Table

    from alertdrill.agent import on_lab
    from alertdrill.agent.config.agent import as_yaml, read_agent_config
    from alertdrill.agent.files import write_whole

    loaded = read_agent_config(config)
    async with on_lab.started(config.parent, time_scale, console.print, parts) as lab:
        table = Table("server", "address", "program", "pid")
        for name, address, program, pid in lab.table():
            table.add_row(name, address, str(program), str(pid))
        console.print(table)
        own = lab.directory / "agent.yml"
        write_whole(own, as_yaml(on_lab.at_the_lab(loaded, lab.addresses, lab.ledger, time_scale)))
        console.print(f"drill it: alertdrill drill --config {own} configs/drills/database-latency.yml", soft_wrap=True)
        console.print("Ctrl-C stops it and removes all it made.")
        await asyncio.Event().wait()
    return 0


@app.command(epilog="Examples: alertdrill heal --dry-run, alertdrill heal --config configs/agent.yml")
def heal(
    config: ConfigOption = Path("configs/agent.yml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be undone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Undo the faults of drills that still run, too.")] = False,
) -> None:
    """Undo whatever the ledger says is still broken and nobody else undoes."""
    from alertdrill.agent.drilling import healing

    raise typer.Exit(
        run(lambda: healing.heal(healing.ledger_of(config), typer.echo, dry_run=dry_run, force=force), mends=False)
    )


@app.command(epilog="Example: alertdrill status --json")
def status(
    config: ConfigOption = Path("configs/agent.yml"),
    json: Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")] = False,
    no_color: NoColor = False,
) -> None:
    """Show which faults are in force, whose they are, and for how long yet."""
    from alertdrill.agent.drilling import healing

    async def show() -> int:
        return healing.status(healing.ledger_of(config), open_console(no_color=no_color), as_json=json)

    raise typer.Exit(run(show, mends=False))


@app.command(epilog="Example: alertdrill toxiproxy --port 8474 --config proxies.json --proxy-metrics")
def toxiproxy(
    host: Annotated[str, typer.Option(help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where the API listens.", min=1, max=65535)] = 8474,
    config: Annotated[Path | None, typer.Option(help="A JSON list of proxies to begin with.", metavar="FILE")] = None,
    proxy_metrics: Annotated[bool, typer.Option("--proxy-metrics", help="Serve /metrics: bytes by proxy.")] = False,
) -> None:
    """Run the embedded Toxiproxy alone until Ctrl-C."""
    from alertdrill.chaos.toxiproxy.embedded.server import Options
    from alertdrill.chaos.toxiproxy.embedded.server import run as run_server

    raise typer.Exit(run_server(Options(host=host, port=port, config=config, proxy_metrics=proxy_metrics)))
