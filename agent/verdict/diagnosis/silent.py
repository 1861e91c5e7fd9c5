"""A silent alert, with the parts of its record that the links of the diagnosis need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import PartRecord, RuleRecord, SeriesRecord, TargetRecord, WatchedRecord
from alertdrill.agent.rules.expression import Anatomy, anatomy
from alertdrill.agent.verdict.evaluations import RuleEvaluations, instants, part, value_at
from alertdrill.agent.verdict.onset import Onset, onset
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.units.text import one_line

_LONGEST_ERROR = 200
# With fewer scrapes than this it was not scraped all the while.
_SHARE_OF_SCRAPES = 0.7


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

    def of_part(self, expr: str) -> SilentAlert | None:
        """Return a part of the expression as if it were the whole; None if it was not recorded."""
        found = part(self.record, expr)
        if found is None:
            return None
        rule = self.rule.model_copy(update={"expr": expr})
        record = self.record.model_copy(update={"parts": [found, *self.record.parts]})
        return replace(self, rule=rule, record=record, pending=())

    def offset(self, at: float) -> str:
        """Format an instant as the time from the fault."""
        return f"{at - self.fault_at:+.1f} s"


def target_of(silent: SilentAlert, series: SeriesRecord) -> TargetRecord | None:
    """Return the target that a series was scraped from."""
    key = (series.labels.get("job", ""), series.labels.get("instance", ""))
    return next((t for t in silent.recording.targets if (t.job, t.instance) == key), None)


def failed_scrapes(silent: SilentAlert, target: TargetRecord) -> list[float]:
    """Return the scrapes that failed from the fault on; one of them may have been under way when it began."""
    every = zip(target.instants, target.up, strict=True)
    return [at for at, up in every if not up and at >= silent.fault_at - target.interval_seconds]


def why_gone(silent: SilentAlert, series: SeriesRecord) -> str:
    """Return why a series had no value at some evaluations, as the end of a sentence; empty if that is not known."""
    target = target_of(silent, series)
    if target is None or (reason := not_scraped(silent, series)):
        return reason if target is not None else ""
    if gap := lookback_gap(silent, [target]):
        return f": {gap}"
    took_place = sum(silent.fault_at <= at <= silent.healed_at for at in target.instants)
    if took_place * target.interval_seconds < _SHARE_OF_SCRAPES * (silent.healed_at - silent.fault_at):
        return ""
    return f": {target.instance} of job {target.job} was scraped all the while, without it"


def not_scraped(silent: SilentAlert, series: SeriesRecord) -> str:
    """Return since when the target of a series was not scraped; empty if all scrapes succeeded."""
    target = target_of(silent, series)
    if target is None:
        return ""
    name, failed = f"{target.instance} of job {target.job}", failed_scrapes(silent, target)
    if failed:
        error = f": {one_line(target.last_error)[:_LONGEST_ERROR]}" if target.last_error else ""
        return f": {name} could not be scraped, first {silent.offset(failed[0])}{error}"
    # Prometheus had still scraped it at that instant, and no more until the end of the recording.
    if target.instants and target.instants[-1] + 2.5 * target.interval_seconds < silent.recording.ended_at:
        last = silent.offset(target.instants[-1])
        return f": {name} was scraped last at {last}: after that it was not a target of Prometheus any more"
    return ""


def lookback_gap(silent: SilentAlert, targets: Iterable[TargetRecord]) -> str:
    """Return that a series has no value between two scrapes, which lie further apart than the lookback; else empty."""
    slowest, lookback = (
        max((t.interval_seconds for t in targets), default=0.0),
        silent.recording.prometheus.lookback_seconds,
    )
    if not lookback or slowest <= lookback:
        return ""
    return (
        f"the scrape interval of {slowest:g} s is longer than Prometheus' lookback of {lookback:g} s,"
        " so its series have no value for the rest of each interval"
    )


def true_instants(silent: SilentAlert) -> Iterator[float]:
    """Yield the evaluations from the fault on at which the whole expression had a result."""
    for series in silent.record.parts[0].series if silent.record.parts else []:
        yield from (at for at, _ in silent.after_fault(series))
