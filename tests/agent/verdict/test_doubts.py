"""Doubts about a drill, by a table: each is one change to a sound recording, and the verdicts that it excuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, EvaluationRecord, GroupRecord
from alertdrill.agent.verdict.doubts import doubts
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome
from tests.support.one_rule import at_rest

Change = Callable[[Recording], dict[str, Any]]


def _prometheus(**update: Any) -> Change:
    return lambda recording: {"prometheus": recording.prometheus.model_copy(update=update)}


def _restarted(seconds_after_start: float) -> Change:
    return lambda recording: {
        "prometheus": recording.prometheus.model_copy(
            update={"started_at": [recording.started_at - 100, recording.started_at + seconds_after_start]}
        )
    }


def _alertmanager_restarted(recording: Recording) -> dict[str, Any]:
    starts = [recording.started_at - 100, recording.started_at + 40]
    return {"alertmanager": recording.alertmanager.model_copy(update={"started_at": starts})}


def _configured_at_end(config: str | None) -> Change:
    return lambda recording: {
        "alertmanager": recording.alertmanager.model_copy(
            update={"config_at_end": recording.alertmanager.config if config is None else config}
        )
    }


def _rule_changed(recording: Recording) -> dict[str, Any]:
    first, *others = recording.rules
    return {"rules_at_end": [first.model_copy(update={"for_seconds": 60}), *others]}


def _rule_gone(recording: Recording) -> dict[str, Any]:
    return {"rules_at_end": recording.rules[1:]}


def _looks(recording: Recording, seconds: list[float]) -> list[GroupRecord]:
    at = [recording.started_at + 0.2 + second for second in seconds]
    evaluations = [EvaluationRecord(at=one + 0.003, looked_before_at=one - 0.4, looked_at=one + 0.4) for one in at]
    return [GroupRecord(group="orders", file="rules.yml", interval_seconds=1, evaluations=evaluations)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_restarted(40), "Prometheus was restarted +10.0 s from the fault: OrdersSlow began again from 0"),
        (_alertmanager_restarted, "Alertmanager was restarted +10.0 s from the fault"),
        (_configured_at_end("route: {}"), "Alertmanager's configuration was changed during the drill"),
        (_rule_changed, "the rule OrdersSlow was changed during the drill: for_seconds"),
        (_rule_gone, "the rule OrdersSlow was gone at the end of the drill"),
        (_prometheus(clock_ahead_seconds=0.25, clock_unsure_seconds=0.01), "Prometheus is 0.250 s ahead of"),
        (_prometheus(clock_ahead_seconds=-3.0, clock_unsure_seconds=0.01), "Prometheus is 3.000 s behind"),
    ],
)
def test_a_doubt_makes_the_drill_inconclusive(passed: Recording, change: Change, says: str) -> None:
    judgement = judge(passed.model_copy(update=change(passed)))
    assert judgement.verdicts[0].outcome is VerdictOutcome.INCONCLUSIVE
    assert says in judgement.verdicts[0].reason
    assert any(says in text for text in judgement.undermined_by)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {},
        _restarted(-10),
        _prometheus(clock_ahead_seconds=0.25, clock_unsure_seconds=0.24),
        _configured_at_end(None),
        lambda recording: {"rules_at_end": recording.rules},
        lambda recording: {"groups": _looks(recording, [float(number) for number in range(130)])},
    ],
)
def test_irrelevant_changes_are_not_doubts(passed: Recording, change: Change) -> None:
    changed = passed.model_copy(update=change(passed))
    assert doubts(changed, 1_790_000_030.0) == []
    assert judge(changed).verdicts[0].outcome is VerdictOutcome.PASSED


def test_a_skipped_evaluation_excuses_a_late_alert_alone(passed: Recording) -> None:
    seen = [float(number) for number in range(130) if number not in {60, 61}]
    groups = _looks(passed, seen)
    (doubt,) = doubts(passed.model_copy(update={"groups": groups}), 1_790_000_030.0)
    assert doubt.text.startswith("Prometheus skipped 2 evaluation(s) of the group orders, the first +30.2 s")
    assert doubt.outcome is VerdictOutcome.LATE
    assert judge(passed.model_copy(update={"groups": groups})).verdicts[0].outcome is VerdictOutcome.PASSED


def test_a_gap_between_two_looks_is_not_a_skipped_evaluation(passed: Recording) -> None:
    (group,) = _looks(passed, [0.0, 5.0])
    unwatched = [one.model_copy(update={"looked_before_at": one.at - 4.5}) for one in group.evaluations]
    groups = [group.model_copy(update={"evaluations": unwatched})]
    assert doubts(passed.model_copy(update={"groups": groups}), passed.started_at) == []


def _fired_first(recording: Recording, name: str) -> Recording:
    """Let another alert fire for the first ten seconds of the baseline."""
    instants = [recording.started_at + 0.2 + number for number in range(10)]
    samples = AlertSamples(labels={"alertname": name}, state="firing", instants=instants)
    return recording.model_copy(update={"alerts": [*recording.alerts, samples]})


def test_an_alert_still_firing_from_an_earlier_drill_makes_this_one_inconclusive(passed: Recording) -> None:
    judgement = judge(_fired_first(passed, "DiskFull"))
    assert judgement.exit_code == 3
    assert [one.outcome for one in judgement.verdicts] == [VerdictOutcome.INCONCLUSIVE] * 2
    assert judgement.undermined_by == ("the baseline was not quiet: DiskFull fired before the fault",)


def test_an_alert_that_is_allowed_may_fire_before_the_fault(passed: Recording) -> None:
    assert judge(_fired_first(passed, "QueueGrows")).exit_code == 0


def test_a_fault_that_made_its_alert_pending_had_an_effect_whatever_the_traffic_says(missed: Recording) -> None:
    """Memory pressure does not make any transaction slower."""
    healthy = {"p95_seconds": 0.022, "succeeded": 100, "failed": 0}
    load = missed.load.model_copy(update={"seconds": [one.model_copy(update=healthy) for one in missed.load.seconds]})
    calm = missed.model_copy(update={"load": load, "watched": [at_rest(one) for one in missed.watched]})
    assert judge(calm).verdicts[0].outcome is VerdictOutcome.INCONCLUSIVE
    labels = {"alertname": "OrdersSlow", "severity": "page"}
    pending = AlertSamples(labels=labels, state="pending", instants=[missed.faults[0].injected_at + 5.2])
    assert judge(calm.model_copy(update={"alerts": [pending]})).verdicts[0].outcome is VerdictOutcome.MISSED
