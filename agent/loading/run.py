"""One run of a load: it is sent, shown, checked against its thresholds, and summed up."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from rich.console import Console

from alertdrill.agent.config.probe import ProbeFile
from alertdrill.agent.console import ConsoleLines, showing
from alertdrill.agent.loading.options import LoadOptions
from alertdrill.agent.loading.outputs import Outputs
from alertdrill.agent.loading.view import LoadView
from alertdrill.agent.report.load.story import LoadStory
from alertdrill.agent.serving.metrics import AgentState
from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.client import Opened, startable
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.honesty import Sending, honesty
from alertdrill.probes.figures.measures import Measures
from alertdrill.probes.figures.summary import LoadSummary
from alertdrill.probes.figures.thresholds import abort_reason, evaluate
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.load.settings import LoadSettings

if TYPE_CHECKING:
    from alertdrill.agent.config.agent import AgentConfig
    from alertdrill.agent.loading.phases import PhaseRunner
    from alertdrill.agent.scorecard.phase_result import PhaseResult
    from alertdrill.probes.load.workers import Workers

_THRESHOLDS_EVERY_SECONDS = 2.0
# For the page's time line; a load may go on for days, and --out keeps every second of it.
_KEPT_SECONDS = 4 * 3600


class LoadRun:
    """A load of a file, in this process or in workers.

    `acknowledged` is called each second with the ids of the transactions that succeeded.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a load works with
        self,
        file: ProbeFile,
        settings: LoadSettings,
        options: LoadOptions,
        lines: ConsoleLines,
        acknowledged: Callable[[list[str]], None],
        servers: AgentConfig | None = None,
        open_client: Callable[[AnyProbe], Opened] = open_client,
    ) -> None:
        self._file = file
        self._settings = settings
        self._options = options
        self._lines = lines
        self._acknowledged = acknowledged
        self._open_client = open_client
        self._arrivals = settings.arrivals()
        self._requests = file.probe.counted
        self._phase_runner = self._phase_runner_of(servers)
        self._load: Load | Workers | None = None
        self._ending = ""
        self._crossed = False

    async def run(self, console: Console, outputs: Outputs) -> None:
        """Send until the load ends, a threshold aborts it, or the task is cancelled."""
        settings, probe, keep = self._settings, self._file.probe, self._acknowledged
        plan = LoadPlan(self._arrivals, settings.max_in_flight, settings.graceful_stop.total_seconds())
        workers = self._options.worker_count(settings)
        if workers > 1:
            # Imported only for several workers.
            from alertdrill.probes.load.workers import Workers

            await self._show(Workers(probe, plan, workers, keep, self._lines.warn), console, outputs)
            return
        async with self._open_client(probe) as opened, startable(opened, probe.counted[0].checks) as client:
            await self._show(Load(client, plan, keep), console, outputs)

    def _phase_runner_of(self, servers: AgentConfig | None) -> PhaseRunner | None:
        if not self._settings.phases:
            return None
        # Only phases need the client of Prometheus.
        from alertdrill.agent.loading.phases import PhaseRunner

        return PhaseRunner(self._settings.phases, self._requests, self._file.thresholds, servers, self._lines.tell)

    async def _show(self, load: Load | Workers, console: Console, outputs: Outputs) -> None:
        if self._phase_runner is not None:
            load.tally = self._phase_runner.tally
        view = LoadView(self._options.file.stem, self._settings, self._arrivals, load.tally)
        shown = showing(console, lambda: view.view(console.width), view.line, self._lines.tell)
        async with AsyncExitStack() as stack:
            if not self._options.quiet:
                await stack.enter_async_context(shown)
            await stack.enter_async_context(outputs.following(load, self._lines.warn))
            await self._watch(load)

    async def _watch(self, load: Load | Workers) -> None:
        self._load = load
        load.tally.kept_seconds = _KEPT_SECONDS
        # The objects made so far stay alive: the collector need not visit them while the load runs.
        gc.freeze()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(load.run())
            watching = tasks.create_task(self._check_thresholds(load, running))
            judging = tasks.create_task(self._judge_phases(load, running))
            try:
                await asyncio.wait([running, judging], return_when=asyncio.ALL_COMPLETED)
            except asyncio.CancelledError:
                self._ending = "interrupted"
                raise
            finally:
                watching.cancel()

    async def _judge_phases(self, load: Load | Workers, running: asyncio.Task[None]) -> None:
        if self._phase_runner is None:
            return

        def failed(name: str) -> bool:
            if self._file.stop_at_first_failure:
                self._ending = f"{name} did not pass"
                running.cancel()
            return self._file.stop_at_first_failure

        await self._phase_runner.follow(load, running.done, failed)

    async def _check_thresholds(self, load: Load | Workers, running: asyncio.Task[None]) -> None:
        if not any(one.abort_on_fail for of_metric in self._file.thresholds.values() for one in of_metric):
            return
        while True:
            await asyncio.sleep(_THRESHOLDS_EVERY_SECONDS)
            await load.tally.whole()
            elapsed = time.monotonic() - load.began
            figures = measures(load.tally, self._requests, elapsed)
            if reason := abort_reason(self._file.thresholds, figures, elapsed):
                self._ending, self._crossed = reason, True
                self._lines.warn(f"stopping: {reason}")
                running.cancel()
                return

    def state(self) -> AgentState:
        """Return the state of the load, for the metrics."""
        checks = tuple(check for request in self._requests for check in request.checks)
        return AgentState(None if self._load is None else self._load.tally, checks)

    def story(self) -> LoadStory | None:
        """Return the summary of the load, also of one that was interrupted; None when nothing was due."""
        load = self._load
        if load is None or load.tally.due == 0:
            return None
        return LoadStory(
            self._options.file.stem,
            load.started_at,
            self._summary(load),
            load.tally,
            self._ending,
            self._phases(),
            was_crossed=self._crossed,
        )

    def _phases(self) -> tuple[PhaseResult, ...]:
        return () if self._phase_runner is None else tuple(self._phase_runner.results)

    def _summary(self, load: Load | Workers) -> LoadSummary:
        tally, planned = load.tally, self._arrivals.duration_seconds
        seconds = max(min(time.monotonic() - load.began, planned or math.inf), 1e-3)
        figures = measures(tally, self._requests, seconds)
        return LoadSummary(
            measures=self._shown(figures),
            # Each phase is judged by itself: the thresholds that one crossed do not count for the whole load.
            judged=() if self._phase_runner is not None else tuple(evaluate(self._file.thresholds, figures)),
            target_rate=tally.due / seconds,
            achieved_rate=(tally.due - tally.dropped - tally.lost) / seconds,
            seconds=seconds,
            reasons=tally.reasons,
            details=tally.details,
            honesty=honesty(Sending.of(tally, seconds)),
        )

    def _shown(self, figures: Measures) -> Measures:
        """Leave out the figures of a single request, unless a threshold needs them: they equal those of the load."""
        if len(self._requests) > 1:
            return figures
        return {key: measure for key, measure in figures.items() if "{name:" not in key or key in self._file.thresholds}
