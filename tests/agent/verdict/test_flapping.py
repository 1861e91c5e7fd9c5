"""An alert that is over while the fault is in force, and one that fires again under it.

The rule is evaluated once a second and has no `for`; the fault is in force from +30 s to +90 s of the recording.
"""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, MachineRecord, SeriesRecord, StrainRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Judgement, Verdict, VerdictOutcome
from tests.agent.conftest import LABELS, SERIES

COUNT, FAULT, HEALED = 140, 30, 90


def _judged(passed: Recording, *stretches: tuple[int, int], **update: Any) -> Verdict:
    return _judgement(passed, *stretches, **update).verdicts[0]


def _judgement(passed: Recording, *stretches: tuple[int, int], **update: Any) -> Judgement:
    """Let the condition hold, and the alert fire, in some stretches of evaluations."""
    rule = passed.rules[0].model_copy(update={"for_seconds": 0} | update.pop("rule", {}))
    (record,) = passed.watched
    values = [0.9 if any(begin <= n < end for begin, end in stretches) else None for n in range(COUNT)]
    held = SeriesRecord(labels={"__name__": "orders:p95_seconds"} | SERIES, first=0, values=values)
    whole = record.parts[0].model_copy(update={"series": [held], "total": 1})
    instants = [record.first_at + number for number, value in enumerate(values) if value is not None]
    began = passed.faults[0].injected_at
    told = passed.notifications[0].model_copy(update={"starts_at": instants[0], "received_at": instants[0] + 2.1})
    faults = [one.model_copy(update={"undo_began_at": one.healed_at - 0.1}) for one in passed.faults]
    changes: dict[str, Any] = {
        "rules": [rule, *passed.rules[1:]],
        "watched": [record.model_copy(update={"parts": [whole, *record.parts[1:]]})],
        "alerts": [AlertSamples(labels=LABELS, state="firing", instants=instants)],
        "notifications": [told],
        "faults": faults,
    }
    assert began == passed.started_at + FAULT
    return judge(passed.model_copy(update=changes | update))


def test_an_alert_that_comes_and_goes_under_one_fault_is_not_proven(passed: Recording) -> None:
    verdict = _judged(passed, (31, 40), (45, 50), (60, 95))
    assert verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert verdict.reason == (
        "fired, but flapped: it was over at +10.2 s, +20.2 s and fired again each time, while the fault was in force"
        " until +59.9 s; so it is not proven that it ends with the fault"
    )


def test_an_alert_that_is_over_under_the_fault_has_a_note(passed: Recording) -> None:
    verdict = _judged(passed, (31, 50))
    assert verdict.outcome is VerdictOutcome.PASSED
    assert verdict.notes == ("over at +20.2 s, 39.7 s before the end of the fault",)


def test_without_an_expected_end_flapping_is_a_note(passed: Recording) -> None:
    expect = [one.model_copy(update={"resolves": False}) for one in passed.drill.expect]
    verdict = _judged(passed, (31, 40), (60, 95), drill=passed.drill.model_copy(update={"expect": expect}))
    assert verdict.outcome is VerdictOutcome.PASSED
    assert verdict.notes == (
        "over at +10.2 s, 49.7 s before the end of the fault, and it fired again once under the same fault",
    )


@pytest.mark.parametrize(
    "stretches",
    [
        ((31, 95),),
        # At the end of the fault, and afterwards.
        ((31, 90),),
        ((31, 95), (100, 120)),
    ],
)
def test_an_end_after_the_fault_is_the_expected_one(passed: Recording, stretches: tuple[tuple[int, int], ...]) -> None:
    verdict = _judged(passed, *stretches)
    assert (verdict.outcome, verdict.notes) == (VerdictOutcome.PASSED, ())


def test_repetitions_of_a_fault_are_faults_of_their_own(passed: Recording) -> None:
    (fault,) = passed.faults
    began = fault.injected_at
    first = fault.model_copy(update={"healed_at": began + 10, "undo_began_at": began + 10})
    second = fault.model_copy(update={"injected_at": began + 30, "healed_at": began + 60, "undo_began_at": began + 60})
    verdict = _judged(passed, (31, 45), (61, 95), faults=[first, second])
    assert (verdict.outcome, verdict.notes) == (VerdictOutcome.PASSED, ())


def test_older_recordings_do_not_say_when_the_undo_began(passed: Recording) -> None:
    verdict = _judged(passed, (31, 40), (60, 95), faults=passed.faults)
    assert (verdict.outcome, verdict.notes) == (VerdictOutcome.PASSED, ())


def test_a_label_whose_text_changes_does_not_flap(passed: Recording) -> None:
    verdict = _judged(passed, (31, 40), (60, 95), rule={"labels": {"severity": "page", "job": "{{ $labels.job }}"}})
    assert not verdict.reason.startswith("fired, but flapped")


@pytest.mark.parametrize(("stretches", "is_spoiled"), [([(31, 95)], True), ([(31, 40), (60, 95)], False)])
def test_an_alert_that_flapped_on_a_busy_machine_is_not_tried_again(
    passed: Recording, stretches: list[tuple[int, int]], *, is_spoiled: bool
) -> None:
    """The load was late besides: of that alone, the machine would be the reason."""
    held_up = StrainRecord(at=passed.started_at + 5, seconds=1.0, loop_lag_seconds=0.9, busy=1.0, stolen=0.0)
    machine = MachineRecord(has_prometheus=True, slices=[held_up])
    late = passed.load.model_copy(update={"lateness_p99_seconds": 0.9})
    judgement = _judgement(passed, *stretches, machine=machine, load=late)
    assert judgement.exit_code == 3
    assert judgement.spoiled_by_machine is is_spoiled
