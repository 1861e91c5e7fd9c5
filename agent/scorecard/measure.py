"""Measures KPIs by querying Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from alertdrill.agent.config.kpis import Kpi, Kpis
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.http import RequestRefused
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import KpiRecord, KpiValueRecord, PhaseRecord
from alertdrill.agent.rules.expression import anatomy
from alertdrill.agent.scorecard.card import Card, Reading, Score
from alertdrill.units.duration import format_duration
from alertdrill.units.time_scale import scale_expr

# Prometheus accepts no shorter range.
_SHORTEST_SECONDS = 0.001


async def measure(kpis: Kpis, prometheus: Prometheus, at: float, window: timedelta, time_scale: float) -> Card:
    """Measure all KPIs at an instant, over a window and ranges divided by the time scale.

    A KPI whose query Prometheus refuses has a problem. Raises ServiceUnavailable when Prometheus does not answer.
    """
    look = _Look(prometheus, at, window, time_scale)
    scores = [await _score(kpi, look) for kpi in kpis.kpis]
    return Card(at, window.total_seconds() / time_scale, tuple(scores))


async def over_phases(
    kpis: Kpis, prometheus: Prometheus, phases: Sequence[PhaseRecord], time_scale: float
) -> list[KpiRecord]:
    """Measure each KPI without a range of its own over each phase of a drill.

    When Prometheus stops answering, the later phases have no values.
    """
    wanted = Kpis(kpis=tuple(kpi for kpi in kpis.kpis if kpi.increase is None))
    values: dict[str, list[KpiValueRecord]] = {kpi.name: [] for kpi in wanted.kpis}
    for phase in phases:
        lasted = max(phase.ended_at - phase.started_at, _SHORTEST_SECONDS)
        window = timedelta(seconds=lasted) * time_scale
        try:
            card = await measure(wanted, prometheus, phase.ended_at, window, time_scale)
        except ServiceUnavailable:
            # Each further query would wait for the same timeout.
            break
        for score in card.scores:
            values[score.kpi.name] += [
                KpiValueRecord(phase=phase.phase, labels=dict(one.labels), value=one.value)
                for one in score.readings
                if math.isfinite(one.value)
            ]
    return [KpiRecord(kpi=kpi, values=values[kpi.name]) for kpi in wanted.kpis]


@dataclass(frozen=True)
class _Look:
    """A Prometheus, and the instant and the window for which it is asked."""

    prometheus: Prometheus
    at: float
    window: timedelta
    time_scale: float

    async def readings(self, expr: str) -> tuple[Reading, ...]:
        found = await self.prometheus.instant(scale_expr(expr, self.time_scale), self.at)
        return tuple(_readings((one.labels, one.samples) for one in found))

    async def has(self, selector: str) -> bool:
        """Return whether a series of a selector had a sample in the window."""
        return bool(await self.readings(f"count(count_over_time({selector}[{format_duration(self.window)}]))"))


async def _score(kpi: Kpi, look: _Look) -> Score:
    expr = scale_expr(kpi.expr(look.window), look.time_scale)
    try:
        readings = await look.readings(kpi.expr(look.window))
        return Score(kpi, expr, readings) if readings else await _without_readings(kpi, expr, look)
    except RequestRefused as refused:
        return Score(kpi, expr, (), refused.reason)


async def _without_readings(kpi: Kpi, expr: str, look: _Look) -> Score:
    """Return why a KPI of series has no value; what was never counted, beside others that were, is 0."""
    if kpi.series is None:
        return Score(kpi, expr, ())
    if kpi.of is not None and not await look.has(kpi.of):
        return Score(kpi, expr, (), f"there is no series {kpi.of} yet, by which it divides")
    if await look.has(kpi.series):
        return Score(kpi, expr, (), f"{kpi.of} did not grow in the window" if kpi.of is not None else "")
    if kpi.of is None or not await _has_siblings(kpi.series, look):
        return Score(kpi, expr, (), f"there is no series {kpi.series} yet; whether its name is right is not known")
    # A service that labels what it counts has no series for what did not happen yet.
    nothing = await look.readings(f"0 * {kpi.rate_of(look.window)} / {kpi.rate_of(look.window)}")
    why = f"there is no series {kpi.series} yet"
    return Score(kpi, expr, nothing, f"{why}, which counts as 0" if nothing else f"{why}, and {kpi.of} did not grow")


async def _has_siblings(series: str, look: _Look) -> bool:
    """Return whether there are series of the same name, with other values of the labels that a selector names."""
    parts = anatomy(series)
    if parts is None or len(parts.selectors) != 1:
        return False
    (selector,) = parts.selectors
    if not selector.metric or not selector.matchers:
        return False
    labels = ", ".join(f'{matcher.label}!=""' for matcher in selector.matchers)
    return await look.has(f"{selector.metric}{{{labels}}}")


def _readings(series: Iterable[tuple[dict[str, str], tuple[tuple[float, float], ...]]]) -> list[Reading]:
    """Keep the numbers: 0 divided by 0 is NaN."""
    readings = [
        Reading(samples[-1][1], {name: value for name, value in labels.items() if name != "__name__"})
        for labels, samples in series
        if samples and not math.isnan(samples[-1][1])
    ]
    return sorted(readings, key=lambda one: sorted(one.labels.items()))
