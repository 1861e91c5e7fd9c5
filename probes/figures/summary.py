"""The summary of a finished load, for reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alertdrill.probes.figures.honesty import Honesty
from alertdrill.probes.figures.measures import Measure, Measures, Rate, blank, split
from alertdrill.probes.figures.thresholds import JudgedThreshold


@dataclass(frozen=True)
class LoadSummary:
    """The figures of a load, its thresholds, and its failures.

    Rates are transactions a second, averaged over `seconds`. `reasons` counts failed transactions, and `details`
    has the first detail of each reason. `honesty` shows whether the load was sent as planned.
    """

    measures: Measures
    judged: tuple[JudgedThreshold, ...]
    target_rate: float
    achieved_rate: float
    seconds: float
    reasons: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    honesty: Honesty | None = None

    @property
    def checks(self) -> dict[str, Rate]:
        """The passes of each check by its name, in the order of the measures."""
        checks = {}
        for key, measure in self.measures.items():
            name, check = split(key)
            if name == "checks" and check is not None and isinstance(measure, Rate):
                checks[check] = measure
        return checks

    @property
    def shown(self) -> dict[str, Measure]:
        """The measures in the order of their names; those of thresholds are included even without samples."""
        asked_for = {key for one in self.judged for key in (split(one.metric)[0], one.metric)}
        shown = {key: blank(key) for key in asked_for} | dict(self.measures)
        return dict(sorted(shown.items(), key=lambda item: (split(item[0])[0], item[0])))
