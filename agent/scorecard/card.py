"""The measured values of each KPI, and their status against its objective."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.errors import INCONCLUSIVE, NOT_AS_EXPECTED, PASSED, worst

_KEPT = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class KpiStatus(StrEnum):
    """The status of a KPI; UNTARGETED without an objective, UNKNOWN where nothing could be measured."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    UNKNOWN = "unknown"
    UNTARGETED = "untargeted"


_WORST_FIRST = (KpiStatus.RED, KpiStatus.UNKNOWN, KpiStatus.YELLOW, KpiStatus.GREEN, KpiStatus.UNTARGETED)


@dataclass(frozen=True)
class KpiTrend:
    """The difference of a value to the median of `runs` earlier runs, in its own unit."""

    difference: float
    runs: int

    @property
    def arrow(self) -> str:
        """The direction as a sign."""
        return "↑" if self.difference > 0 else "↓" if self.difference < 0 else "→"


@dataclass(frozen=True)
class Reading:
    """One value of a KPI, infinite after a division by zero; its labels distinguish it from the KPI's other values."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    trend: KpiTrend | None = None


@dataclass(frozen=True)
class Score:
    """One KPI with its values; `problem` says why there is none, or why it is 0, where that is known."""

    kpi: Kpi
    expr: str
    readings: tuple[Reading, ...]
    problem: str = ""

    @property
    def status(self) -> KpiStatus:
        """The worst status of all values."""
        if not self.readings:
            return KpiStatus.UNKNOWN
        return worst_of(status(self.kpi, reading.value) for reading in self.readings)

    @property
    def worst_value(self) -> float | None:
        """The value nearest to breaking the objective, or farthest beyond it; None without values."""
        values = [one.value for one in self.readings]
        return (max(values) if self.kpi.is_upper_bound else min(values)) if values else None


@dataclass(frozen=True)
class Card:
    """All KPIs at one instant (Unix seconds), each over the same window."""

    at: float
    window_seconds: float
    scores: tuple[Score, ...]

    @property
    def exit_code(self) -> int:
        """1 where an objective is missed, 3 where one has no data, else 0."""
        return worst(_EXIT_CODES.get(score.status, PASSED) for score in self.scores if score.kpi.objective is not None)

    def count(self, status: KpiStatus) -> int:
        """Count the KPIs with this status."""
        return sum(score.status is status for score in self.scores)


_EXIT_CODES = {KpiStatus.RED: NOT_AS_EXPECTED, KpiStatus.UNKNOWN: INCONCLUSIVE}


def status(kpi: Kpi, value: float) -> KpiStatus:
    """Compare one value with the objective; `yellow_from` itself is yellow."""
    if kpi.objective is None:
        return KpiStatus.UNTARGETED
    if not _KEPT[kpi.comparison](value, kpi.limit):
        return KpiStatus.RED
    if kpi.yellow_from is None:
        return KpiStatus.GREEN
    is_near = value >= kpi.yellow_from if kpi.is_upper_bound else value <= kpi.yellow_from
    return KpiStatus.YELLOW if is_near else KpiStatus.GREEN


def worst_of(statuses: Iterable[KpiStatus]) -> KpiStatus:
    """Return the worst status; UNTARGETED when there are none."""
    return min(statuses, key=_WORST_FIRST.index, default=KpiStatus.UNTARGETED)
