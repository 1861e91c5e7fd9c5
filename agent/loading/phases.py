"""The phases of a load, each judged as soon as its hold is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.loading.outputs import RunningLoad
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.report.words import latency_words
from alertdrill.agent.scorecard.measure import measure
from alertdrill.agent.scorecard.phase_result import PhaseResult, result
from alertdrill.probes.figures.thresholds import Thresholds
from alertdrill.probes.load.phases import PhaseSettings, held_seconds
from alertdrill.probes.load.tally import PhasedTally
from alertdrill.probes.outcome import Counted
from alertdrill.probes.spelling import share_text

_LOOK_EVERY_SECONDS = 0.1


class PhaseRunner:
    """Judges the phases of a load; `results` has those that are over.

    With the configuration of servers, Prometheus is asked for the KPIs that have an objective, except rates: each phase
    has its own rate.
    """

    def __init__(
        self,
        phases: Sequence[PhaseSettings],
        requests: Sequence[Counted],
        thresholds: Thresholds,
        servers: AgentConfig | None,
        tell: Callable[[str], None],
    ) -> None:
        self.results: list[PhaseResult] = []
        self._phases = phases
        self._held = held_seconds(phases)
        self.tally = PhasedTally(self._held)
        self._requests = requests
        self._thresholds = thresholds
        self._servers = servers
        self._tell = tell

    async def follow(self, load: RunningLoad, ended: Callable[[], bool], failed: Callable[[str], bool]) -> None:
        """Judge each phase when it is over, until the load has ended.

        `failed` is called with the name of a phase that did not pass; if it returns true, the rest is left out.
        """
        for index, held in enumerate(self._held):
            while self.tally.folded_seconds < held.stop:
                if ended():
                    return
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
            judged = await self._judged(index, load)
            self.results.append(judged)
            self._tell(_line(judged))
            if not judged.passed and failed(judged.name):
                return

    async def _judged(self, index: int, load: RunningLoad) -> PhaseResult:
        judged = result(self._phases[index], self.tally.parts_held[index], self._requests, self._thresholds)
        if self._servers is None:
            return judged
        servers, held = self._servers, self._held[index]
        kpis = Kpis(kpis=servers.kpis.of_a_phase)
        window = timedelta(seconds=len(held)) * servers.time_scale
        try:
            async with Prometheus(servers.prometheus) as prometheus:
                card = await measure(kpis, prometheus, load.started_at + held.stop, window, servers.time_scale)
        except ServiceUnavailable as error:
            return replace(judged, problem=str(error))
        return replace(judged, scores=card.scores)


def _line(judged: PhaseResult) -> str:
    ending = "passed" if judged.passed else f"did not pass: {'; '.join(judged.failures)}"
    figures = f"p95 {latency_words(judged.p95_seconds)}, {share_text(judged.failed_share or 0)} failed"
    return f"{judged.name} (asked {judged.asked_rate:.0f}/s, {figures}) {ending}"
