"""`alertdrill lab`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, NoColor, command, finite, open_console
from alertdrill.agent.commands.running import run

if TYPE_CHECKING:
    from rich.console import Console

    from alertdrill.lab.parts import LabParts


@command("alertdrill lab", "alertdrill lab --time-scale 30 --kafka --replicas 2")
def lab(
    config: ConfigOption = None,
    time_scale: Annotated[
        float, typer.Option(help="Divide every duration of the lab.", min=1.0, callback=finite)
    ] = 1.0,
    kafka: Annotated[bool, typer.Option("--kafka", help="Add a Kafka broker and the settlement of payments.")] = False,
    replicas: Annotated[
        int, typer.Option(help="Number of payment engines; several run behind HAProxy.", min=1, max=4)
    ] = 1,
    no_color: NoColor = False,
) -> None:
    """Start the embedded stack of real servers, until Ctrl-C.

    Show the address of each server.
    """
    from alertdrill.agent import on_lab
    from alertdrill.lab.parts import LabParts

    read, parts = on_lab.configuration(config, lab=True), LabParts(kafka=kafka, replicas=replicas)
    raise typer.Exit(run(lambda: _keep_up(read, time_scale, parts, open_console(no_color=no_color))))


async def _keep_up(config: Path, time_scale: float, parts: LabParts, console: Console) -> int:
    import asyncio

    from alertdrill.agent import on_lab
    from alertdrill.agent.config.agent import as_yaml, read_agent_config
    from alertdrill.agent.console import ConsoleLines
    from alertdrill.agent.files import write_whole

    loaded = read_agent_config(config)
    async with on_lab.started(config.parent, time_scale, ConsoleLines(console).tell, parts) as lab:
        _show_servers(lab.table(), console)
        own = lab.directory / "agent.yml"
        here = on_lab.at_the_lab(loaded, lab.addresses, lab.ledger, time_scale, lab.webhook_token)
        write_whole(own, as_yaml(here))
        drill = config.parent / "drills" / "database-latency.yml"
        console.print(f"drill it: alertdrill drill --config {own} {drill}", soft_wrap=True)
        console.print("Ctrl-C stops it and removes all it made.")
        await asyncio.Event().wait()
    return 0


def _show_servers(servers: list[tuple[str, str, Path, int]], console: Console) -> None:
    from rich.table import Table

    table = Table("server", "address", "program", "pid")
    for name, address, program, pid in servers:
        table.add_row(name, address, str(program), str(pid))
    console.print(table)
