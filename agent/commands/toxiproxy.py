"""`alertdrill toxiproxy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import command


@command("alertdrill toxiproxy --port 8474 --config proxies.json --proxy-metrics")
def toxiproxy(
    host: Annotated[str, typer.Option(help="Address that the API listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port that the API listens on.", min=1, max=65535)] = 8474,
    config: Annotated[Path | None, typer.Option(help="A JSON list of proxies to begin with.", metavar="FILE")] = None,
    proxy_metrics: Annotated[
        bool, typer.Option("--proxy-metrics", help="Serve /metrics: the bytes of each proxy.")
    ] = False,
) -> None:
    """Run the embedded Toxiproxy alone, until Ctrl-C."""
    from alertdrill.chaos.toxiproxy.embedded.server import ServerOptions, run

    raise typer.Exit(run(ServerOptions(host=host, port=port, config=config, proxy_metrics=proxy_metrics)))
