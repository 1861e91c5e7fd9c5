"""The table: instants predicted from the fault alone, observed instants, and their distance from the exact windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.shape import bad_seconds
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.verdict import Milestone, Verdict, VerdictOutcome
from alertdrill.units.duration import parse_duration
from benchmarks.predictions.cases import SCRAPE_SECONDS, Case
from benchmarks.predictions.run import SCRAPE_TOLERANCE_SECONDS, Result
from benchmarks.results import Circumstances

_HEAD = """\
# Predicted and observed
Written by `python -m benchmarks.predictions`; do not edit.

An exporter changes its series at a known instant. A real Prometheus evaluates all rules at once, and a real Alertmanager sends the notifications: scrapes every 0.2 s, evaluations every 0.5 or 0.8 s, ranges of 4 s, a fault of 8 s.
**predicted firing** follows only from the size of the fault and the intervals, without knowing when within an interval scrapes and evaluations happen. All instants count from the beginning of the fault.
**off its exact window** is how far pending, firing and resolved lay outside the windows computed from the record, which has the times of scrapes and evaluations.
"""


@dataclass(frozen=True)
class PredictionRow:
    """One alert: its predicted and observed instants, in seconds after the fault.

    `exact_ms` is the largest distance of pending, firing and resolved from the windows computed from the record.
    """

    case: Case
    verdict: Verdict
    condition: tuple[float, float] | None
    firing: tuple[float, float] | None
    pending_seen: float | None
    firing_seen: float | None
    notified_seen: float | None
    resolved_seen: float | None
    exact_ms: float | None

    @property
    def is_as_predicted(self) -> bool:
        """Whether the alert fired between the earliest and the latest predicted instant."""
        if self.firing is None or self.firing_seen is None:
            return True
        return self.firing[0] - 0.01 <= self.firing_seen <= self.firing[1] + 0.01

    @property
    def is_judged_right(self) -> bool:
        """Whether the outcome and the broken link are as expected, and the reason contains the expected texts."""
        link = self.verdict.finding.link if self.verdict.finding else None
        text = "\n".join((self.verdict.reason, *self.verdict.notes))
        named = all(words in text for words in self.case.says)
        return (self.verdict.outcome, link) == (self.case.outcome, self.case.link) and named


def rows(result: Result) -> list[PredictionRow]:
    """Return a row for each case."""
    return [_row(case, result) for case in result.cases]


def _row(case: Case, result: Result) -> PredictionRow:
    verdict = result.verdicts[case.alert]
    seen = {milestone.name: milestone for milestone in verdict.milestones}

    def after(name: str) -> float | None:
        at = seen[name].at if name in seen else None
        return None if at is None else at - result.fault_at

    condition, firing = _predicted(case, result.slowness)
    return PredictionRow(
        case=case,
        verdict=verdict,
        condition=condition,
        firing=firing,
        pending_seen=after("pending"),
        firing_seen=after("firing"),
        notified_seen=after("notified"),
        resolved_seen=after("resolved"),
        exact_ms=_distance_ms([seen[name] for name in ("pending", "firing", "resolved") if name in seen]),
    )


def _predicted(case: Case, slowness: int) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Predict condition and firing from the size of the fault and the intervals alone."""
    shape = classify(case.expr)
    needed = bad_seconds(shape, case.levels) if shape.range_seconds else 0.0
    if shape.kind == "other" or needed is None or case.begins_again:
        return None, None
    timing = Timing(
        scrape=SCRAPE_SECONDS * slowness,
        interval=parse_duration(case.interval).total_seconds(),
        for_=parse_duration(case.for_).total_seconds(),
        scrape_lag=case.scrape_lag_seconds + SCRAPE_TOLERANCE_SECONDS * slowness,
    )
    return timing.condition_span(needed), timing.firing_span(needed)


def _distance_ms(milestones: list[Milestone]) -> float | None:
    distances = [
        max(one.window.earliest - one.at, one.at - one.window.latest, 0.0)
        for one in milestones
        if one.at is not None and one.window is not None
    ]
    return max(distances) * 1000 if distances else None


def markdown(result: Result, here: Circumstances) -> str:
    """Return the page as Markdown: the machine, the table, and a summary."""
    found = rows(result)
    lines = [
        _HEAD,
        here.words,
        "| rule | for | predicted firing | observed | notified | resolved | off its exact window | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_line(row) for row in found),
    ]
    return "\n".join([*lines, "", *_summary(found), ""])


def _line(row: PredictionRow) -> str:
    cells = [
        row.case.alert,
        row.case.for_,
        f"{row.firing[0]:.2f} … {row.firing[1]:.2f} s" if row.firing else "—",
        _seconds(row.firing_seen),
        _seconds(row.notified_seen),
        _seconds(row.resolved_seen),
        "—" if row.exact_ms is None else f"{row.exact_ms:.1f} ms",
        row.verdict.outcome.value + (f": {row.verdict.finding.link.value}" if row.verdict.finding else ""),
    ]
    return "| " + " | ".join(cells) + " |"


def _seconds(value: float | None) -> str:
    return "—" if value is None else f"+{value:.3f} s"


def _summary(found: list[PredictionRow]) -> Iterator[str]:
    fired = [row for row in found if row.firing_seen is not None and row.firing is not None]
    exact = [row.exact_ms for row in found if row.exact_ms is not None]
    wrong = [row for row in found if not row.is_judged_right]
    inside = sum(row.is_as_predicted for row in fired)
    yield f"Of {len(found)} rules, {inside} of the {len(fired)} that fired and can be predicted fired between the earliest and the latest instant predicted from the fault alone."
    if exact:
        yield f"The largest distance of pending, firing and resolved from the exact windows was {max(exact):.1f} ms."
    passed = sum(row.case.outcome is VerdictOutcome.PASSED for row in found)
    yield f"{len(found) - len(wrong)} of {len(found)} verdicts are as expected ({passed} passed)."
    for row in wrong:
        yield f"- {row.case.alert}: {row.verdict.outcome.value}, expected {row.case.outcome.value}: {row.verdict.reason[:300]}"
