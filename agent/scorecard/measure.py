"""Measures KPIs by querying Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta

from alertdrill.agent.config.kpis import Kpi, Kpis
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.http import RequestRefused
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import KpiRecord, KpiValueRecord, PhaseRecord
from alertdrill.agent.scorecard.card import Card, Reading, Score
from alertdrill.units.time_scale import scale_expr

# Prometheus accepts no shorter range.
_SHORTEST_SECONDS = 0.001


async def measure(kpis: Kpis, prometheus: Prometheus, at: float, window: timedelta, time_scale: float) -> Card:
    """Measure all KPIs at an instant, over a window and ranges divided by the time scale.

    A KPI whose query Prometheus refuses has a problem. Raises ServiceUnavailable when Prometheus does not answer.
    """
    scores = [await _score(kpi, prometheus, at, scale_expr(kpi.expr(window), time_scale)) for kpi in kpis.kpis]
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


async def _score(kpi: Kpi, prometheus: Prometheus, at: float, expr: str) -> Score:
    try:
        found = await prometheus.instant(expr, at)
    except RequestRefused as refused:
        return Score(kpi, expr, (), refused.reason)
    return Score(kpi, expr, tuple(_readings((one.labels, one.samples) for one in found)))


def _readings(series: Iterable[tuple[dict[str, str], tuple[tuple[float, float], ...]]]) -> list[Reading]:
    """Keep the numbers: 0 divided by 0 is NaN."""
    readings = [
        Reading(samples[-1][1], {name: value for name, value in labels.items() if name != "__name__"})
        for labels, samples in series
        if samples and not math.isnan(samples[-1][1])
    ]
    return sorted(readings, key=lambda one: sorted(one.labels.items()))
