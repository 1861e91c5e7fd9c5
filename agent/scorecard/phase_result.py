"""One phase of a load, and whether the service carried it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alertdrill.agent.scorecard.card import KpiStatus, Score
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.honesty import SMALLEST_RATE_SHARE, Honesty, Sending, honesty
from alertdrill.probes.figures.measures import Trend
from alertdrill.probes.figures.thresholds import JudgedThreshold, Threshold, evaluate
from alertdrill.probes.load.phases import PhaseSettings
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.outcome import Counted


@dataclass(frozen=True)
class PhaseResult:
    """The figures of the seconds in which a phase held its rate.

    Rates are transactions a second. `failed_share` is the share of the ended transactions. Latencies count from the due
    time.
    """

    name: str
    rate: float
    seconds: int
    asked_rate: float
    achieved_rate: float
    failed_share: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    judged: tuple[JudgedThreshold, ...]
    honesty: Honesty
    scores: tuple[Score, ...] = ()
    problem: str = ""

    @property
    def failures(self) -> tuple[str, ...]:
        """The reasons why the phase did not pass; empty when it passed."""
        return tuple(self._failures())

    @property
    def passed(self) -> bool:
        """Whether there is no failure."""
        return not self.failures

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be judged."""
        unknown = [score.kpi.name for score in self.scores if score.status is KpiStatus.UNKNOWN]
        missing = "any KPI: was the service scraped?" if len(unknown) == len(self.scores) else ", ".join(unknown)
        return tuple(text for text in (self.problem, f"no data of {missing}" if unknown else "") if text)

    def _failures(self) -> Iterator[str]:
        # Where the load was not sent as requested, the phase is not proven, whatever the service can do.
        yield from (f"the load {reason}" for reason in self.honesty.reasons)
        if self.achieved_rate < SMALLEST_RATE_SHARE * self.asked_rate:
            yield f"answered {self.achieved_rate:.0f} of {self.asked_rate:.0f} a second"
        yield from (f"{one.metric} {one.source}: {one.spelling}" for one in self.judged if not one.ok)
        for score in self.scores:
            if score.status is KpiStatus.RED:
                yield f"{score.kpi.name} {score.kpi.objective}: {score.worst_value:.4g}"


def result(
    phase: PhaseSettings,
    tally: Tally,
    requests: Sequence[Counted],
    thresholds: Mapping[str, list[Threshold]],
) -> PhaseResult:
    """Judge a phase by the seconds in which it held its rate."""
    seconds = len(tally.seconds)
    sending = Sending.of(tally, max(seconds, 1))
    figures = measures(tally, requests, max(seconds, 1))
    # Thresholds use the same rank for percentiles.
    latency = Trend(tally.latencies.histogram, tally.latencies.sum_seconds)
    p50, p95, p99 = (None if latency.empty else latency.percentile(percent) for percent in (50, 95, 99))
    return PhaseResult(
        name=phase.name,
        rate=phase.to,
        seconds=seconds,
        asked_rate=sending.target_rate,
        achieved_rate=tally.ended / max(seconds, 1),
        failed_share=tally.failed / tally.ended if tally.ended else None,
        p50_seconds=p50,
        p95_seconds=p95,
        p99_seconds=p99,
        judged=tuple(evaluate(thresholds, figures)),
        honesty=honesty(sending),
    )


def highest_passed(results: Sequence[PhaseResult]) -> PhaseResult | None:
    """Return the last phase before the first that did not pass, None where the first did not pass."""
    highest = None
    for one in results:
        if not one.passed:
            return highest
        highest = one
    return highest
