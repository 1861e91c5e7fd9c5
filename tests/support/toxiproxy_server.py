"""A Toxiproxy server for one test, and toxiproxy-python as an independent witness of its state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from toxiproxy import Toxiproxy

from alertdrill.chaos.fault import Endpoints
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec


def spec(port: int, *flags: str) -> Spec:
    """Return how the server is started."""
    command = [str(find_programs()["toxiproxy"]), "-host", "127.0.0.1", "-port", str(port), *flags]
    return Spec("toxiproxy", command, port, "/version")


@asynccontextmanager
async def toxiproxy_server(directory: Path) -> AsyncIterator[Server]:
    """Run a server with a proxy `db` to nowhere for the length of the block."""
    (port,) = free_ports(1)
    running = Server(spec(port), directory, find_programs()["setpriv"])
    try:
        await running.wait_ready()
        witness(running).create(name="db", listen="127.0.0.1:0", upstream="127.0.0.1:1", enabled=True)
        yield running
    finally:
        await running.stop()


def witness(server: Server) -> Toxiproxy:
    """Return a client of the server that shares no code with alertdrill."""
    client = Toxiproxy()
    client.update_api_consumer("127.0.0.1", server.spec.port)
    return client


def endpoints(server: Server) -> Endpoints:
    """Return the endpoints of a server for faults."""
    return Endpoints(toxiproxy_url=f"http://{server.address}")


def toxics(server: Server, proxy: str = "db") -> dict[str, Any]:
    """List a proxy's toxics by name."""
    return dict(witness(server).get_proxy(proxy).toxics())
