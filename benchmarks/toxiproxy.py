"""Compares the embedded Toxiproxy with the real one and with no proxy: `python -m benchmarks.toxiproxy`."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
import uvloop

from alertdrill.chaos.toxiproxy.embedded import VERSION
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Spec
from benchmarks import results, tcp_load, tcp_peer
from benchmarks.api_times import api_seconds
from benchmarks.errors import BenchmarkError, exit_on_error
from benchmarks.servers import ROOT, Target, running
from benchmarks.toxiproxy_page import MANY, ProxyFigures, page, row

TOXIPROXY_PAGE = "TOXIPROXY.md"
_FOLDER = Path(__file__).parent

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# As many requests as are answered while the bytes of one measurement are sent a few times.
_BYTES_PER_REQUEST = 5_000_000
_FEWEST_REQUESTS = 20

# Toxics without effect, to measure the cost of having toxics.
_HARMLESS = [
    {"type": "latency", "stream": stream, "attributes": {"latency": 0}} for stream in ("upstream", "downstream")
]


@dataclass(frozen=True)
class Way:
    """One way from client to server: the port to connect to, and the proxy's process id and API's port if there is one."""

    name: str
    port: int
    pid: int | None
    api_port: int | None = None


def main(
    rounds: Annotated[int, typer.Option(help="How often each way is measured.", min=1)] = 3,
    megabytes: Annotated[int, typer.Option(help="How much is sent in one measurement.", min=1)] = 512,
    messages: Annotated[
        int, typer.Option(help="How many small messages are sent in one measurement.", min=100)
    ] = 10_000,
    output: Annotated[Path, typer.Option(help=f"Folder of {TOXIPROXY_PAGE}.")] = _FOLDER,
) -> None:
    """Measure, and write the page."""
    with exit_on_error():
        circumstances = results.circumstances({"uvloop": version("uvloop"), "Toxiproxy": VERSION})
        measured = compare_proxies(rounds, megabytes * 1_000_000, messages)
        output.mkdir(parents=True, exist_ok=True)
        (output / TOXIPROXY_PAGE).write_text(page(circumstances, rounds, measured), encoding="utf-8")
    typer.echo(f"results {output / TOXIPROXY_PAGE}")


def compare_proxies(rounds: int, count_bytes: int, messages: int) -> dict[str, list[ProxyFigures]]:
    """Run the rounds; returns the figures of each way."""
    with ExitStack() as stack:
        peer = _port(stack.enter_context(running(tcp_peer.describe)).url)
        ways = [Way("direct", peer, None)]
        for name, describe in (("real", _describe_real), ("embedded", _describe_embedded)):
            target = stack.enter_context(running(describe))
            for title, toxics in ((name, []), (f"{name} with toxics", _HARMLESS)):
                ways.append(Way(title, _proxy(target, title, peer, toxics), _pid(target), _port(target.url)))
        measured: dict[str, list[ProxyFigures]] = {way.name: [] for way in ways}
        for number in range(rounds):
            for way in ways if number % 2 == 0 else reversed(ways):
                measured[way.name].append(uvloop.run(_measure(way, count_bytes, messages)))
                typer.echo(f"round {number + 1}  {row(way.name, measured[way.name][-1:], None)}")
    return measured


async def _measure(way: Way, count_bytes: int, messages: int) -> ProxyFigures:
    with _cpu(way.pid) as transfer_cpu:
        seconds = await tcp_load.transfer_seconds(way.port, 1, count_bytes)
    many_seconds = await tcp_load.transfer_seconds(way.port, MANY, count_bytes // MANY)
    _, single = await tcp_load.round_trips(way.port, 1, messages)
    with _cpu(way.pid) as message_cpu:
        trip_seconds, many = await tcp_load.round_trips(way.port, MANY, messages // MANY)
    api = await _api_seconds(way, count_bytes)
    percentiles, many_percentiles = (statistics.quantiles(times, n=100) for times in (single, many))
    return ProxyFigures(
        rate=count_bytes / seconds,
        many_rate=count_bytes / many_seconds,
        cpu_per_byte=transfer_cpu[0] / count_bytes,
        p50=percentiles[49],
        p99=percentiles[98],
        many_p50=many_percentiles[49],
        many_p99=many_percentiles[98],
        many_messages_per_second=len(many) / trip_seconds,
        cpu_per_message=message_cpu[0] / len(many),
        api_p50=statistics.median(api) if api else 0.0,
        api_p95=statistics.quantiles(api, n=20)[-1] if api else 0.0,
    )


async def _api_seconds(way: Way, count_bytes: int) -> list[float]:
    """Ask the proxy's API while data is sent over many connections; returns the seconds of each request."""
    if way.api_port is None:
        return []
    asking = asyncio.create_task(api_seconds(way.api_port, max(_FEWEST_REQUESTS, count_bytes // _BYTES_PER_REQUEST)))
    while not asking.done():
        await tcp_load.transfer_seconds(way.port, MANY, count_bytes // MANY)
    return await asking


@contextmanager
def _cpu(pid: int | None) -> Iterator[list[float]]:
    """Measure the CPU seconds of a process during the block; afterwards they are in the list."""
    used = [0.0]
    before = _cpu_seconds(pid)
    yield used
    used[0] = _cpu_seconds(pid) - before


def _cpu_seconds(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def _describe_real(_: Path, port: int) -> Spec:
    program = find_programs().get("toxiproxy")
    if program is None:
        raise BenchmarkError("toxiproxy-server is missing, install it: make setup")
    command = [str(program), "-host", "127.0.0.1", "-port", str(port)]
    return Spec("toxiproxy-real", command, port, health="/version")


def _describe_embedded(_: Path, port: int) -> Spec:
    command = [sys.executable, "-m", "alertdrill.chaos.toxiproxy.embedded", "-host", "127.0.0.1", "-port", str(port)]
    return Spec("toxiproxy-embedded", command, port, health="/version", environment={"PYTHONPATH": str(ROOT)})


def _proxy(target: Target, name: str, upstream: int, toxics: list[dict[str, Any]]) -> int:
    """Create a proxy in front of a port; returns the proxy's port."""
    name = name.replace(" ", "-")
    made = _post(f"{target.url}/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream}"})
    for toxic in toxics:
        _post(f"{target.url}/proxies/{name}/toxics", toxic)
    return _port(f"http://{made['listen']}")


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=60) as answer:  # noqa: S310 - a server on loopback
        made: dict[str, Any] = json.load(answer)
    return made


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _pid(target: Target) -> int:
    return int((target.directory / "pids").read_text("ascii").split()[-1])


if __name__ == "__main__":
    typer.run(main)
