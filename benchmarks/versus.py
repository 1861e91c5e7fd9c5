"""Compares alertdrill with k6, vegeta and hey: `python -m benchmarks.versus`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import nginx, page, peers, results, runs
from benchmarks.errors import BenchmarkError, exit_on_error
from benchmarks.peers import CLIENTS
from benchmarks.servers import Target, running

FOLDER = Path(__file__).parent
# A pause between two clients, in which sockets close and the machine becomes idle.
_PAUSE_SECONDS = 1.0

Output = Annotated[Path, typer.Option("--output", help="Folder of results.json and RESULTS.md.")]


def main(
    rate: Annotated[int, typer.Option(help="Transactions a second.", min=20)] = 2000,
    seconds: Annotated[int, typer.Option(help="Length of one run.", min=1)] = 20,
    rounds: Annotated[
        int, typer.Option(help="How often each client runs; every second round in reversed order.", min=1)
    ] = 2,
    output: Output = FOLDER,
) -> None:
    """Run every installed client on the same nginx, one after another, and write the page."""
    with exit_on_error():
        results.read(output)  # an unreadable file is reported before the runs
        page.write(output, results.save(output, versus=compare_clients(rate, seconds, rounds)))
    typer.echo(f"results {output / page.PAGE}")


def compare_clients(rate: int, seconds: int, rounds: int) -> results.Versus:
    """Run the rounds; a failed or missing client is reported, and the others continue."""
    missing = {name: why for name, client in CLIENTS.items() if (why := peers.missing(client)) is not None}
    present = [name for name in CLIENTS if name not in missing]
    # "k6" and "k6, bodies discarded" are the same program.
    versions = {name.partition(",")[0]: peers.version(CLIENTS[name]) for name in present} | {"nginx": nginx.version()}
    before = results.circumstances(versions)
    order = [name for turn in range(rounds) for name in (present if turn % 2 == 0 else reversed(present))]
    commands: dict[str, str] = {}
    made: dict[str, list[results.Run]] = {name: [] for name in present}
    with running(nginx.describe) as target, runs.steps(len(order) * seconds) as steps:
        for name, why in missing.items():
            steps.end(f"{name:<24}{why}", 0.0)
        for number, name in enumerate(order, start=1):
            watch = steps.begin(f"{name}, run {number} of {len(order)}")
            job = runs.job(target, rate, seconds)
            commands[name] = peers.readable(CLIENTS[name].command(job), job)
            try:
                made[name].append(_counted(target, CLIENTS[name], job, watch))
                steps.end(runs.line(name, made[name][-1]), seconds)
            except BenchmarkError as error:
                missing[name] = str(error)
                steps.end(f"{name:<24}{error}", seconds)
    notes = {name: CLIENTS[name].note for name in present}
    return results.Versus(before, rate, seconds, commands, notes, missing, made)


def _counted(target: Target, client: peers.Client, job: peers.Job, watch: runs.Watch) -> results.Run:
    """Run a client, and add the number of requests that nginx counted."""
    time.sleep(_PAUSE_SECONDS)
    before = nginx.count_requests(target.url)
    run = runs.run_client(client, job, watch)
    # The first count_requests was a request too.
    return replace(run, counted=nginx.count_requests(target.url) - before - 1)


if __name__ == "__main__":
    typer.run(main)
