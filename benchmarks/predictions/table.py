"""The table: what the arithmetic predicts from the fault's instant alone, what the windows say, what came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alertdrill.agent.rules.shape import bad_seconds, classify
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.verdict import Milestone, Verdict, VerdictOutcome
from alertdrill.units.duration import parse_duration
from benchmarks.predictions.cases import SCRAPE_SECONDS, Case
from benchmarks.predictions.run import Result
from benchmarks.results import Circumstances

_HEAD = """\
# Predicted and observed
Written by `python -m benchmarks.predictions`; do not edit.

An exporter steps at a known instant, and every rule is evaluated by a real Prometheus and told of by a real Alertmanager, all at once: scrapes every 0.2 s, evaluations every 0.5 or 0.8 s, ranges of 4 s, a fault of 8 s.
**predicted firing** follows from the size of the fault and the intervals alone, with no phase known; all instants count from the fault.
**off its exact window** is how far pending, firing and resolved lay outside the windows that follow from the record, where the phases are known.
"""


@dataclass(frozen=True)
class PredictionRow:
    """One alert: seconds after the fault of each instant, predicted from the levels alone, and observed.

    `exact_ms` is the largest distance of pending, firing and resolved from their window, whose phases are known.
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
        """Tell whether the alert came between the soonest and the latest instant that the arithmetic allows."""
        if self.firing is None or self.firing_seen is None:
            return True
        return self.firing[0] - 0.01 <= self.firing_seen <= self.firing[1] + 0.01

    @property
    def is_judged_right(self) -> bool:
        """Tell whether the verdict is the one it must be, for the reason that it must have, in the words that matter."""
        link = self.verdict.finding.link if self.verdict.finding else None
        told = "\n".join((self.verdict.reason, *self.verdict.notes))
        named = all(words in told for words in self.case.says)
        return (self.verdict.outcome, link) == (self.case.outcome, self.case.link) and named


def rows(cases: Sequence[Case], result: Result) -> list[PredictionRow]:
    """Put each case beside what came of it."""
    return [_row(case, result) for case in cases]


def _row(case: Case, result: Result) -> PredictionRow:
    verdict = result.verdicts[case.alert]
    seen = {milestone.name: milestone for milestone in verdict.milestones}

    def after(name: str) -> float | None:
        at = seen[name].at if name in seen else None
        return None if at is None else at - result.fault_at

    condition, firing = _predicted(case)
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


def _predicted(case: Case) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Predict from the size of the fault and the intervals alone, with no phase known."""
    shape = classify(case.expr)
    needed = bad_seconds(shape, case.levels) if shape.range_seconds else 0.0
    if shape.kind == "other" or needed is None or case.begins_again:
        return None, None
    timing = Timing(
        scrape=SCRAPE_SECONDS,
        interval=parse_duration(case.interval).total_seconds(),
        for_=parse_duration(case.for_).total_seconds(),
        scrape_lag=case.scrape_lag_seconds + 0.05,
    )
    return timing.condition_span(needed), timing.firing_span(needed)


def _distance_ms(milestones: list[Milestone]) -> float | None:
    distances = [
        max(one.window.earliest - one.at, one.at - one.window.latest, 0.0)
        for one in milestones
        if one.at is not None and one.window is not None
    ]
    return max(distances) * 1000 if distances else None


def markdown(cases: Sequence[Case], result: Result, here: Circumstances) -> str:
    """Spell the page: where it was made, the table, and a summary."""
    found = rows(cases, result)
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
    yield f"Of {len(found)} rules, {inside} of the {len(fired)} that fired and can be foretold did so between the soonest and the latest instant predicted from the fault alone."
    if exact:
        yield f"With the phases known, the largest distance of pending, firing and resolved was {max(exact):.1f} ms."
    passed = sum(row.case.outcome is VerdictOutcome.PASSED for row in found)
    yield f"{len(found) - len(wrong)} verdicts of {len(found)} as they must be ({passed} passed)."
    for row in wrong:
        yield f"- {row.case.alert}: {row.verdict.outcome.value}, expected {row.case.outcome.value}: {row.verdict.reason[:300]}"
