"""A silent alert, with the parts of its record that the links of the diagnosis need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import PartRecord, RuleRecord, SeriesRecord, WatchedRecord
from alertdrill.agent.rules.expression import Anatomy, anatomy
from alertdrill.agent.verdict.evaluations import RuleEvaluations, instants, part, value_at
from alertdrill.agent.verdict.onset import Onset, onset
from alertdrill.agent.verdict.timeline import AlertTimeline


@dataclass(frozen=True)
class SilentAlert:
    """A rule that should have fired and did not, with its record."""

    recording: Recording
    rule: RuleRecord
    record: WatchedRecord
    pending: tuple[AlertTimeline, ...]
    fault_at: float
    healed_at: float

    @cached_property
    def tree(self) -> Anatomy | None:
        """The parts of its expression."""
        return anatomy(self.rule.expr)

    @cached_property
    def instants(self) -> list[float]:
        """The instants of its evaluations."""
        return instants(self.record)

    @cached_property
    def of_rule(self) -> RuleEvaluations:
        """Its evaluations."""
        return RuleEvaluations(self.recording, self.record)

    @cached_property
    def onset(self) -> Onset:
        """How the fault began to show in its first series."""
        value = self.value
        labels = value.series[0].labels if value is not None and value.series else {}
        return onset(self.of_rule, labels, self.fault_at, self.healed_at)

    @property
    def value(self) -> PartRecord | None:
        """The value that is compared, if the expression is a comparison with a number."""
        condition = self.tree.condition if self.tree else None
        return part(self.record, condition.value_expr) if condition else None

    def after_fault(self, series: SeriesRecord) -> Iterator[tuple[float, float]]:
        """Yield the values of a series at the evaluations from the fault on."""
        for number, at in enumerate(self.instants):
            value = value_at(series, number)
            if at >= self.fault_at and value is not None:
                yield at, value

    def offset(self, at: float) -> str:
        """Format an instant as the time from the fault."""
        return f"{at - self.fault_at:+.1f} s"


def not_scraped(silent: SilentAlert, series: SeriesRecord) -> str:
    """Return which target of a series could not be scraped, and since when; empty if all scrapes succeeded."""
    key = (series.labels.get("job", ""), series.labels.get("instance", ""))
    target = next((t for t in silent.recording.targets if (t.job, t.instance) == key), None)
    failed = [at for at, up in zip(target.instants, target.up, strict=True) if not up] if target else []
    if target is None or not failed:
        return ""
    return f": {target.instance} of job {target.job} could not be scraped, first {silent.offset(failed[0])}"


def true_instants(silent: SilentAlert) -> Iterator[float]:
    """Yield the evaluations from the fault on at which the whole expression had a result."""
    for series in silent.record.parts[0].series if silent.record.parts else []:
        yield from (at for at, _ in silent.after_fault(series))
