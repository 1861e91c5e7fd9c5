"""`alertdrill probe`: one load from its first transaction to its summary."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import resource
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from agent import load_outputs, load_reports, probe_file
from agent.config import relocate
from agent.errors import ConfigError
from agent.live import Lines, showing
from agent.load_outputs import Outputs
from agent.load_reports import Render
from agent.load_view import LoadView
from agent.probe_file import ProbeFile
from agent.report import load_summary
from agent.report.folding import fold
from agent.report.load_story import LoadStory
from probes.figures import Counted, measures
from probes.load import Load
from probes.load_settings import LoadSettings
from probes.measures import Measures
from probes.sender import Plan
from probes.summary import LoadSummary
from probes.thresholds import abort_reason, crossed, evaluate
from probes.workers import Workers

THRESHOLD_CROSSED, NOT_WRITTEN = 99, 2
# One worker does more than twice this on a core of its own.
_RATE_OF_ONE_WORKER = 10_000
_THRESHOLDS_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Options:
    """What `alertdrill probe` was asked for; None where the file or a default decides."""

    file: Path
    rate: float | None = None
    duration: timedelta | None = None
    workers: int | None = None
    lab: bool = False
    config: Path = Path("configs/agent.yml")
    time_scale: float = 1.0
    summary_export: Path | None = None
    html: Path | None = None
    out: Sequence[str] = ()
    quiet: bool = False
    acknowledged: Path | None = None


async def run_load(options: Options, console: Console) -> int:
    """Run a load and tell its exit code: 0, 99 when a threshold was crossed, else 2 when a file was not written.

    Raises ConfigError.
    """
    file = probe_file.load(options.file)
    settings = _load_settings(file, options).scaled(options.time_scale)
    reports, problems = load_reports.renderers(options.summary_export, options.html)
    lines = Lines(console, is_quiet=options.quiet)
    _allow_many_connections()
    with load_outputs.opened(options.out, problems) as outputs:
        async with _target(file, options, lines) as here:
            session = _Session(here, settings, options, lines, outputs)
            try:
                await session.run(console)
            finally:
                session.report(console, reports)
    return session.exit_code


def _load_settings(file: ProbeFile, options: Options) -> LoadSettings:
    """Put the command line's rate and duration in the place of the file's."""
    load = file.load
    if options.rate is not None:
        extra = {} if load is None else load.model_dump(include={"max_in_flight", "graceful_stop", "poisson", "seed"})
        return LoadSettings(rate=options.rate, duration=options.duration, **extra)
    if load is None:
        raise ConfigError(f"{options.file}: has no load, expected one there or --rate here")
    if options.duration is None:
        return load
    if load.stages:
        raise ConfigError(f"--duration: {options.file} has stages with durations of their own, expected --rate as well")
    return load.model_copy(update={"duration": options.duration})


def _allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one, as Go's programs do: each transaction may need one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@asynccontextmanager
async def _target(file: ProbeFile, options: Options, lines: Lines) -> AsyncIterator[ProbeFile]:
    """Yield the file as it is, or pointed at a lab that runs meanwhile."""
    if not options.lab:
        yield file
        return
    from lab.stack import Lab

    lines.tell("lab: starting real servers")
    async with Lab(options.config.parent, options.time_scale) as lab:
        lines.tell(f"lab: {len(lab.servers)} servers are ready")
        yield ProbeFile.model_validate(relocate(file.model_dump(by_alias=True, exclude_unset=True), lab.addresses))


class _Session:
    """One run of a load, its thresholds and its reports."""

    def __init__(
        self, file: ProbeFile, settings: LoadSettings, options: Options, lines: Lines, outputs: Outputs
    ) -> None:
        self._file = file
        self._settings = settings
        self._options = options
        self._lines = lines
        self._outputs = outputs
        self._arrivals = settings.arrivals()
        self._plan = Plan(self._arrivals, settings.max_in_flight, settings.graceful_stop.total_seconds())
        self._workers = options.workers or _default_workers(settings)
        self._requests = [Counted(request.title, request.check_names) for request in file.probe.requests]
        self._load: Load | Workers | None = None
        self._ending = ""
        self.exit_code = 0

    async def run(self, console: Console) -> None:
        """Send until the load ends, a threshold aborts it, or the task is cancelled."""
        if self._workers > 1:
            await self._show(Workers(self._file.probe, self._plan, self._workers, tell=self._lines.warn), console)
            return
        async with self._file.probe.opened() as client:
            await self._show(Load(client, self._plan), console)

    async def _show(self, load: Load | Workers, console: Console) -> None:
        stands = LoadView(self._options.file.stem, self._settings, self._arrivals, load.tally)
        shown = showing(console, lambda: stands.view(console.width), stands.line, self._lines.tell)
        async with AsyncExitStack() as stack:
            if not self._options.quiet:
                await stack.enter_async_context(shown)
            await stack.enter_async_context(self._outputs.following(load, self._lines.warn))
            await self._watch(load)

    async def _watch(self, load: Load | Workers) -> None:
        self._load = load
        # What is there by now stays: the collector need not look at it again while the load runs.
        gc.collect()
        gc.freeze()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(load.run())
            watching = tasks.create_task(self._look_at_thresholds(load, running))
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                self._ending = "interrupted"
                raise
            finally:
                watching.cancel()

    async def _look_at_thresholds(self, load: Load | Workers, running: asyncio.Task[None]) -> None:
        if not any(one.abort_on_fail for of_metric in self._file.thresholds.values() for one in of_metric):
            return
        while True:
            await asyncio.sleep(_THRESHOLDS_EVERY_SECONDS)
            elapsed = time.monotonic() - load.began
            figures = measures(load.tally, self._requests, elapsed)
            if reason := abort_reason(self._file.thresholds, figures, elapsed):
                self._ending = reason
                self._lines.warn(f"stopping: {reason}")
                running.cancel()
                return

    def report(self, console: Console, reports: Mapping[Path, Render]) -> None:
        """Print and write what became of the load, also when it was broken off."""
        if self._load is None or self._load.tally.due == 0:
            return
        load, summary = self._load, self._summary(self._load)
        text = load_summary.render(summary)
        console.print(fold(text, console.width) if console.is_terminal else text, soft_wrap=True)
        story = LoadStory(self._options.file.stem, load.started_at, summary, load.tally, self._ending)
        all_written = load_reports.write_all(reports, story, self._lines.warn) and not self._outputs.failed
        # What the load proved counts for more than a file that is missing.
        self.exit_code = THRESHOLD_CROSSED if crossed(summary.judged) else 0 if all_written else NOT_WRITTEN

    def _summary(self, load: Load | Workers) -> LoadSummary:
        tally, planned = load.tally, self._arrivals.duration_seconds
        seconds = max(min(time.monotonic() - load.began, planned or math.inf), 1e-3)
        figures = measures(tally, self._requests, seconds)
        return LoadSummary(
            measures=self._worth_showing(figures),
            judged=tuple(evaluate(self._file.thresholds, figures)),
            target_rate=tally.due / seconds,
            achieved_rate=(tally.due - tally.dropped - tally.lost) / seconds,
            seconds=seconds,
            reasons=tally.reasons,
            details=tally.details,
        )

    def _worth_showing(self, figures: Measures) -> Measures:
        """Leave the figures of the only request out, unless a threshold asks for them: they are those of all."""
        if len(self._requests) > 1:
            return figures
        return {key: measure for key, measure in figures.items() if "{name:" not in key or key in self._file.thresholds}


def _default_workers(settings: LoadSettings) -> int:
    peak = max([settings.rate or settings.start_rate, *(stage.target for stage in settings.stages)])
    return min(math.ceil(peak / _RATE_OF_ONE_WORKER), os.cpu_count() or 1)
