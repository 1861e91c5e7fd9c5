"""Runs one client against a running server, and shows the progress of many runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import measure
from benchmarks.errors import BenchmarkError
from benchmarks.peers import Client, Job
from benchmarks.reports import Percentiles
from benchmarks.results import Run
from benchmarks.servers import Target

# The time that a client may need besides its load: k6 by default waits up to 30 s for its last requests.
_BESIDE_SECONDS = 60.0

ABSENT = "n/a"
Watch = Callable[[float, int], None]


def job(target: Target, rate: int, seconds: int) -> Job:
    """Prepare a job with a new folder, so that a report of an earlier run is never read as this one's."""
    return Job(target.url, rate, seconds, Path(tempfile.mkdtemp(dir=target.directory)))


def run_client(client: Client, job: Job, watch: Watch, *, every_seconds: float = 0.1) -> Run:
    """Run a client to its end and read its report; raises BenchmarkError when either fails."""
    within_seconds = job.seconds + _BESIDE_SECONDS
    usage = measure.run_command(
        client.command(job), job.directory, within_seconds=within_seconds, every_seconds=every_seconds, watch=watch
    )
    try:
        figures = client.read(job.directory)
    except (OSError, KeyError, ValueError) as error:
        raise BenchmarkError(f"its report cannot be read: {error!r}") from error
    if figures.transactions == 0:
        raise BenchmarkError("it sent no transaction")
    return Run(figures, usage)


class Steps:
    """Shows the progress of several runs: a bar on a terminal, and a line for each finished run."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._done_seconds = 0.0

    def begin(self, what: str) -> Watch:
        """Start a run with this name; returns the function to call with its samples."""
        self._progress.update(self._task, description=what)
        done = self._done_seconds
        return lambda elapsed, _kib: self._progress.update(self._task, completed=done + elapsed)

    def end(self, text: str, seconds: float) -> None:
        """Print the result of a run and add its duration to the progress."""
        self._done_seconds += seconds
        self._progress.update(self._task, completed=self._done_seconds)
        self._progress.console.print(text)


@contextmanager
def steps(total_seconds: float) -> Iterator[Steps]:
    """Show the progress of runs that take `total_seconds` together."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, refresh_per_second=1, disable=not console.is_terminal
    ) as progress:
        yield Steps(progress, progress.add_task("starting", total=total_seconds))


def line(name: str, run: Run) -> str:
    """Return the figures of a run in one line."""
    figures, usage = run.figures, run.usage
    late = "" if figures.lateness is None else f"   late {spelled([figures.lateness])} ms"
    dropped = "" if figures.dropped is None else f"   dropped {figures.dropped}"
    return (
        f"{name:<24}{run.cpu_us:6.1f} µs CPU each   {megabytes(usage.tree_kib):5.1f} MB   {figures.rate:8.1f}/s"
        f"   failed {figures.failed}{dropped}{late}   latency {spelled([figures.latency])} ms"
    )


def spelled(percentiles: list[Percentiles]) -> str:
    """Format the worst median and the worst 99th percentile; n/a if none is known."""
    worst = [max((one for one in column if one is not None), default=None) for column in _columns(percentiles)]
    return " / ".join(ABSENT if one is None else f"{one:.2f}" for one in worst)


def _columns(percentiles: list[Percentiles]) -> tuple[list[float | None], list[float | None]]:
    return [one.p50_ms for one in percentiles], [one.p99_ms for one in percentiles]


def megabytes(kib: float) -> float:
    """Convert KiB to MB of a million bytes."""
    return kib * 1024 / 1e6
