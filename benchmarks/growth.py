"""How alertdrill's cost grows with the rate and the number of requests in flight: `python -m benchmarks.growth`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from alertdrill.lab.server import Spec
from benchmarks import delaying_server, nginx, page, peers, results, runs
from benchmarks.errors import exit_on_error
from benchmarks.peers import ALERTDRILL
from benchmarks.servers import running
from benchmarks.versus import FOLDER, Output

_RATES = (100, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000)
_DELAYS_MS = (0, 100, 3000)
_DELAY_RATE = 2000


def main(
    seconds: Annotated[int, typer.Option(help="Length of one run.", min=1)] = 10,
    output: Output = FOLDER,
) -> None:
    """Run alertdrill at one rate after another, then with slow answers, and write the page."""
    if (why := peers.missing(ALERTDRILL)) is not None:
        typer.echo(f"alertdrill  {why}")
        return
    with exit_on_error():
        results.read(output)  # an unreadable file is reported before the runs
        page.write(output, results.save(output, growth=grow(seconds)))
    typer.echo(f"results {output / page.PAGE}")


def grow(seconds: int) -> results.Growth:
    """Measure both; a failed run ends all with BenchmarkError, because a curve with gaps would mislead."""
    before = results.circumstances({"alertdrill": peers.version(ALERTDRILL), "nginx": nginx.version()})
    with runs.steps((len(_RATES) + len(_DELAYS_MS)) * seconds + 1) as steps:
        # At low rates most of a short run's CPU time is the start-up, so it is measured separately.
        start_up = _one(steps, nginx.describe, 1, 1, "start-up")
        by_rate = {rate: _one(steps, nginx.describe, rate, seconds, f"{rate}/s") for rate in _RATES}
        by_delay_ms = {
            delay: _one(steps, partial(delaying_server.describe, delay), _DELAY_RATE, seconds, f"after {delay} ms")
            for delay in _DELAYS_MS
        }
    job = peers.Job("http://server", _DELAY_RATE, seconds, Path("/directory"))
    command = peers.readable(ALERTDRILL.command(job), job)
    return results.Growth(before, command, seconds, start_up.usage.cpu_seconds, _DELAY_RATE, by_rate, by_delay_ms)


def _one(steps: runs.Steps, server: Callable[[Path, int], Spec], rate: int, seconds: int, name: str) -> results.Run:
    watch = steps.begin(name)
    with running(server) as target:
        run = runs.run_client(ALERTDRILL, runs.job(target, rate, seconds), watch)
    steps.end(runs.line(name, run), seconds)
    return run


if __name__ == "__main__":
    typer.run(main)
