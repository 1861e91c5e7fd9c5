"""Whether alertdrill's memory stays flat: half an hour at 2,000/s, `python -m benchmarks.soak`."""

from __future__ import annotations

import statistics
from typing import Annotated

import typer

from benchmarks import nginx, page, peers, results, runs
from benchmarks.errors import BenchmarkError, exit_on_error
from benchmarks.peers import ALERTDRILL
from benchmarks.servers import running
from benchmarks.versus import FOLDER, Output

_EVERY_SECONDS = 10.0
# Memory that grows while pools and histograms fill is not a leak, so the line leaves out the first tenth of the time.
_WARM_UP = 0.1


def main(
    rate: Annotated[int, typer.Option(help="Transactions a second.", min=1)] = 2000,
    minutes: Annotated[float, typer.Option(help="How long.", min=1.0)] = 30.0,
    output: Output = FOLDER,
) -> None:
    """Run alertdrill for a long time, print the slope of its memory, and write the page."""
    if (why := peers.missing(ALERTDRILL)) is not None:
        typer.echo(f"alertdrill  {why}")
        return
    with exit_on_error():
        results.read(output)  # an unreadable file is reported before the run
        soak = measure_soak(rate, minutes)
        page.write(output, results.save(output, soak=soak))
    typer.echo(f"memory grows by {soak.slope_kib_per_minute:+.1f} KiB/min")
    typer.echo(f"results {output / page.PAGE}")


def measure_soak(rate: int, minutes: float) -> results.Soak:
    """Run alertdrill once and sample its memory every ten seconds."""
    before = results.circumstances({"alertdrill": peers.version(ALERTDRILL), "nginx": nginx.version()})
    seconds = round(minutes * 60)
    samples: list[tuple[float, int]] = []
    with running(nginx.describe) as target, runs.steps(seconds) as steps:
        watch, job = steps.begin(f"{rate}/s for {minutes:g} minutes"), runs.job(target, rate, seconds)

        def sample(elapsed: float, kib: int) -> None:
            samples.append((round(elapsed, 1), kib))
            watch(elapsed, kib)

        made = runs.run_client(ALERTDRILL, job, sample, every_seconds=_EVERY_SECONDS)
        steps.end(runs.line("alertdrill", made), seconds)
        command = peers.readable(ALERTDRILL.command(job), job)
    return results.Soak(before, command, rate, minutes, made, slope_kib_per_minute(samples), samples)


def slope_kib_per_minute(samples: list[tuple[float, int]]) -> float:
    """Return the least-squares slope of (seconds, KiB) after the warm-up; raises BenchmarkError below two samples."""
    settled = [sample for sample in samples if sample[0] >= samples[-1][0] * _WARM_UP]
    if len(settled) < 2:
        raise BenchmarkError("it ended before there were two samples of its memory")
    seconds, kib = zip(*settled, strict=True)
    return statistics.linear_regression(seconds, kib).slope * 60


if __name__ == "__main__":
    typer.run(main)
