"""The judge, by a table: each row is one change to a sound recording, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, OutageRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome
from tests.support.one_rule import at_rest

Change = Callable[[Recording], dict[str, Any]]


def _shift_firing(seconds: float) -> Change:
    """Fire earlier or later than the rule requires: the boundary between pending and firing moves."""

    def change(recording: Recording) -> dict[str, Any]:
        pending, firing, *others = recording.alerts
        instants = [*pending.instants, *firing.instants]
        boundary = len(pending.instants) + round(seconds)
        return {
            "alerts": [
                pending.model_copy(update={"instants": instants[:boundary]}),
                firing.model_copy(update={"instants": instants[boundary:]}),
                *others,
            ]
        }

    return change


def _relabel(recording: Recording) -> dict[str, Any]:
    return {"alerts": [a.model_copy(update={"labels": a.labels | {"severity": "info"}}) for a in recording.alerts]}


def _told_later(seconds: float) -> Change:
    return lambda recording: {
        "notifications": [
            n.model_copy(update={"received_at": n.received_at + seconds}) for n in recording.notifications
        ]
    }


def _told_to(receiver: str) -> Change:
    return lambda recording: {
        "notifications": [n.model_copy(update={"receiver": receiver}) for n in recording.notifications]
    }


def _never_ends(recording: Recording) -> dict[str, Any]:
    firing = recording.alerts[1]
    more = [firing.instants[-1] + n for n in range(1, int(recording.ended_at - firing.instants[-1]) + 1)]
    return {"alerts": [recording.alerts[0], firing.model_copy(update={"instants": firing.instants + more})]}


def _budget(text: str) -> Change:
    def change(recording: Recording) -> dict[str, Any]:
        values = recording.drill.model_dump(by_alias=True, mode="json")
        values["expect"][0]["within"] = text
        return {"drill": type(recording.drill).model_validate(values)}

    return change


def _forbid(recording: Recording) -> dict[str, Any]:
    return {"drill": recording.drill.model_copy(update={"allow": []})}


def _noisy(recording: Recording) -> dict[str, Any]:
    early = AlertSamples(labels=recording.alerts[0].labels, state="pending", instants=[recording.started_at + 3])
    return {"alerts": [early, *recording.alerts]}


def _load(**update: Any) -> Change:
    return lambda recording: {"load": recording.load.model_copy(update=update)}


def _outage(recording: Recording) -> dict[str, Any]:
    at = recording.started_at + 40
    return {"outages": [OutageRecord(server="Prometheus", first_at=at, last_at=at + 7, reason="no answer")]}


def _no_effect(recording: Recording) -> dict[str, Any]:
    """Let neither the traffic nor the rule's own series show the fault."""
    calm = recording.load.seconds[0]
    seconds = [calm.model_copy(update={"at": second.at}) for second in recording.load.seconds]
    load = recording.load.model_copy(update={"seconds": seconds})
    return {"load": load, "alerts": [], "watched": [at_rest(one) for one in recording.watched]}


def _escaped(recording: Recording) -> dict[str, Any]:
    told = {"target": "proxy db", "outcome": "2 connections escaped it"}
    return _no_effect(recording) | {"faults": [fault.model_copy(update=told) for fault in recording.faults]}


def _injected_within(seconds: float, budget: str) -> Change:
    """Between the two instants of its injection a fault may or may not be in force."""

    def change(recording: Recording) -> dict[str, Any]:
        slow = [one.model_copy(update={"in_force_at": one.injected_at + seconds}) for one in recording.faults]
        return _budget(budget)(recording) | {"faults": slow}

    return change


@pytest.mark.parametrize(
    ("change", "outcome", "says"),
    [
        (lambda _: {}, VerdictOutcome.PASSED, "fired in its window, pager told, resolved"),
        (_shift_firing(-2), VerdictOutcome.EARLY, "firing 13.20 s after the fault"),
        (_shift_firing(+1), VerdictOutcome.LATE, "firing 16.20 s after the fault, lawful is 15.20 to 15.20 s"),
        (_shift_firing(+3), VerdictOutcome.LATE, "firing 18.20 s after the fault"),
        (_budget("15s"), VerdictOutcome.LATE, "the drill allows 15 s"),
        (
            _injected_within(0.5, "15s"),
            VerdictOutcome.INCONCLUSIVE,
            "injecting the fault took 0.5 s, and the alert fired 14.7 s after that: it cannot be told whether it was late",
        ),
        (_injected_within(0.1, "15s"), VerdictOutcome.LATE, "fired 15.2 s after the fault, the drill allows 15 s"),
        (_injected_within(0.5, "16s"), VerdictOutcome.PASSED, "fired in its window"),
        (
            lambda r: {"alerts": r.alerts[2:]},
            VerdictOutcome.MISSED,
            "true from +5.2 s on (0.66 > 0.5), at 63 evaluation(s), but Prometheus never made it pending",
        ),
        (
            lambda r: {"alerts": r.alerts[:1]},
            VerdictOutcome.MISSED,
            "pending for 10.0 s at the longest, its `for` is 10 s",
        ),
        (
            lambda _: {"alerts": [], "watched": []},
            VerdictOutcome.MISSED,
            "its expression could not be evaluated afterwards",
        ),
        (_relabel, VerdictOutcome.WRONG_LABELS, 'severity="info"'),
        (lambda _: {"notifications": []}, VerdictOutcome.NOT_NOTIFIED, "pager was never told"),
        (_told_to("daily"), VerdictOutcome.WRONG_RECEIVER, "told daily, expected pager"),
        (_told_later(400), VerdictOutcome.LATE, "notified"),
        (_never_ends, VerdictOutcome.NOT_RESOLVED, "still active at the end"),
        (_outage, VerdictOutcome.INCONCLUSIVE, "Prometheus could not be asked for 7.0 s"),
        (_noisy, VerdictOutcome.INCONCLUSIVE, "OrdersSlow was active before the fault"),
        (_load(dropped=1000), VerdictOutcome.INCONCLUSIVE, "the load dropped 1000 of 14000"),
        (_load(due=0), VerdictOutcome.INCONCLUSIVE, "the load did not run"),
        (_load(target_rate=200), VerdictOutcome.INCONCLUSIVE, "reached 100.0 transactions a second of 200"),
        (_load(lateness_p99_seconds=2.0), VerdictOutcome.INCONCLUSIVE, "sent late"),
        (_no_effect, VerdictOutcome.INCONCLUSIVE, "no effect on the traffic"),
        (_escaped, VerdictOutcome.INCONCLUSIVE, "as few failures; of proxy db: 2 connections escaped it)"),
        (lambda _: {"aborted": "abort_if became true"}, VerdictOutcome.INCONCLUSIVE, "abort_if became true"),
    ],
)
def test_each_change_to_the_record_changes_the_verdict(
    passed: Recording, change: Change, outcome: VerdictOutcome, says: str
) -> None:
    verdict = judge(passed.model_copy(update=change(passed))).verdicts[0]
    assert verdict.outcome == outcome, verdict.reason
    assert says in verdict.reason


def test_an_alert_that_is_not_allowed_is_unexpected_and_fails_the_drill(passed: Recording) -> None:
    allowed, forbidden = judge(passed), judge(passed.model_copy(update=_forbid(passed)))
    assert (allowed.exit_code, allowed.allowed) == (0, ("QueueGrows",))
    assert [verdict.outcome for verdict in forbidden.verdicts] == [VerdictOutcome.PASSED, VerdictOutcome.UNEXPECTED]
    assert forbidden.exit_code == 1


def test_a_missed_alert_has_its_largest_value_beside_the_threshold(missed: Recording) -> None:
    (verdict,) = judge(missed).verdicts
    assert verdict.outcome == VerdictOutcome.MISSED
    assert verdict.reason == "never crossed: largest value 0.48, at +5.2 s; it fires at > 0.5"


def test_inconclusive_is_its_own_exit_code(passed: Recording) -> None:
    assert judge(passed.model_copy(update=_outage(passed))).exit_code == 3
