"""What is kept of series that are native histograms."""

from __future__ import annotations

import math
from typing import Any, cast

from alertdrill.agent.drilling.evidence import Evidence
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.monitoring.series import Series
from alertdrill.agent.recording.records import RuleRecord

START = 1_790_000_000.0
LABELS = {"__name__": "took_seconds", "job": "shop", "instance": "shop:80"}
RULE = RuleRecord(
    alert="Slow",
    group="shop",
    expr="took_seconds > 5",
    for_seconds=0,
    keep_firing_for_seconds=0,
    interval_seconds=1,
    labels={},
    annotations={},
    health="ok",
)


class Answers:
    """A Prometheus whose every series is a native histogram at its second and third evaluation."""

    async def range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        del end
        samples = ((start, math.inf), (start + 3 * step, math.nan))
        return [] if ">" in expr else [Series(LABELS, samples, histograms_at=(start + step, start + 2 * step))]

    async def raw_samples(self, *_: object) -> list[Series]:
        return []

    async def instant(self, *_: object) -> list[Series]:
        return []

    async def targets(self) -> None:
        return None


async def test_a_native_histogram_is_present_without_a_value() -> None:
    """If it were left out, the series would look stale, and so would the rule that reads it."""
    evidence = Evidence(cast("Prometheus", Answers()), START, START + 5)
    record, _ = await evidence.watched(RULE, [], [], [])
    kept: Any = next(part for part in record.parts if part.expr == "took_seconds").series[0]
    assert [str(value) for value in kept.values] == ["inf", "nan", "nan", "nan"]
