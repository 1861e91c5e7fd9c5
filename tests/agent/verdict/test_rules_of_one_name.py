"""Several rules may make alerts of one name, in one group or in two: each rule is judged alone."""

from __future__ import annotations

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, PartRecord, RuleRecord, WatchedRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Verdict, VerdictOutcome

TICKET = {"severity": "ticket"}


def _of_two(recording: Recording, group: str, order: int, record: WatchedRecord, labels: dict[str, str]) -> Recording:
    """Add a rule of the same name that fires after two seconds, and its samples if it has any."""
    page = recording.rules[0]
    expr = record.parts[0].expr
    ticket = page.model_copy(update={"group": group, "expr": expr, "for_seconds": 2, "labels": labels})
    rules: list[RuleRecord] = [page, ticket][::order]
    watched = [recording.watched[0], record.model_copy(update={"group": group})][::order]
    return recording.model_copy(update={"rules": rules, "rules_at_end": rules, "watched": watched})


def _judged(recording: Recording, severity: str = "page") -> Verdict:
    drill = recording.drill.model_dump(by_alias=True, mode="json")
    drill["expect"][0]["labels"] = {"severity": severity}
    return judge(recording.model_copy(update={"drill": type(recording.drill).model_validate(drill)})).verdicts[0]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("group", ["orders", "others"])
def test_one_that_stays_silent_makes_the_other_neither_early_nor_changed(
    passed: Recording, group: str, order: int
) -> None:
    part = PartRecord(expr="orders:p95_seconds > 5", series=[], total=0)
    record = passed.watched[0].model_copy(update={"parts": [part, passed.watched[0].parts[1]]})
    recording = _of_two(passed, group, order, record, TICKET)
    verdict = _judged(recording)
    assert (verdict.outcome, verdict.reason) == (VerdictOutcome.PASSED, "fired in its window, pager told, resolved")
    silent = _judged(recording, "ticket")
    assert silent.outcome is VerdictOutcome.MISSED
    assert silent.reason == "never crossed: largest value 0.66, at +5.2 s; it fires at > 5"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("group", ["orders", "others"])
def test_both_may_fire_each_after_its_own_for(passed: Recording, group: str, order: int) -> None:
    instants = [*passed.alerts[0].instants, *passed.alerts[1].instants]
    labels = passed.alerts[0].labels | TICKET
    both = [
        AlertSamples(labels=labels, state="pending", instants=instants[:2]),
        AlertSamples(labels=labels, state="firing", instants=instants[2:]),
        *passed.alerts,
    ]
    part = passed.watched[0].parts[0].model_copy(update={"expr": "orders:p95_seconds > 0.4"})
    record = passed.watched[0].model_copy(update={"parts": [part, passed.watched[0].parts[1]]})
    recording = _of_two(passed.model_copy(update={"alerts": both}), group, order, record, TICKET)
    windows = {severity: _judged(recording, severity).milestones[2] for severity in ("page", "ticket")}
    fault_at = recording.faults[0].injected_at
    for severity, seconds in (("page", 15.2), ("ticket", 7.2)):
        window = windows[severity].window
        assert window is not None
        assert windows[severity].at == pytest.approx(fault_at + seconds)
        assert (window.earliest, window.latest) == pytest.approx(
            (fault_at + seconds - 0.002, fault_at + seconds + 0.002)
        )
    assert _judged(recording).outcome is VerdictOutcome.PASSED
