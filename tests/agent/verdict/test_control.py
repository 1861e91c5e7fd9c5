"""A drill that expects nothing: it proves silence, if the load was as requested."""

from __future__ import annotations

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, FaultRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome
from tests.support.one_rule import at_rest


@pytest.fixture
def control(passed: Recording) -> Recording:
    drill = passed.drill.model_copy(update={"expect": [], "allow": []})
    quiet = {"alerts": [], "notifications": [], "faults": [], "watched": []}
    return passed.model_copy(update={"drill": drill} | quiet)


def test_a_quiet_drill_without_expectations_passes(control: Recording) -> None:
    judgement = judge(control)
    assert (judgement.exit_code, judgement.verdicts) == (0, ())


def test_any_alert_that_fires_is_unexpected(control: Recording) -> None:
    instants = [control.started_at + second for second in (60.2, 61.2)]
    fired = AlertSamples(labels={"alertname": "DiskFull"}, state="firing", instants=instants)
    judgement = judge(control.model_copy(update={"alerts": [fired]}))
    assert judgement.exit_code == 1
    assert [(one.alert, one.outcome) for one in judgement.verdicts] == [("DiskFull", VerdictOutcome.UNEXPECTED)]


def test_silence_under_half_the_load_proves_nothing(control: Recording) -> None:
    judgement = judge(control.model_copy(update={"load": control.load.model_copy(update={"target_rate": 200})}))
    assert judgement.exit_code == 3
    assert judgement.undermined_by[0].startswith("the load reached 100.0 transactions a second of 200")


def _surge(recording: Recording, target_rate: float) -> FaultRecord:
    load = recording.load.model_copy(update={"target_rate": target_rate})
    return FaultRecord(
        kind="surge",
        target="100 transactions a second more",
        settings={},
        injected_at=recording.started_at + 30,
        healed_at=recording.started_at + 90,
        load=load,
    )


def test_a_surge_that_was_not_sent_makes_the_drill_inconclusive(passed: Recording) -> None:
    judgement = judge(passed.model_copy(update={"faults": [_surge(passed, 200)]}))
    assert judgement.exit_code == 3
    assert judgement.undermined_by[0].startswith("the surge of 100 transactions a second more reached 100.0")


def test_a_surge_has_its_effect_without_a_slower_answer(missed: Recording) -> None:
    """A fault that changes nothing in the traffic excuses a silent alert, and more traffic is a change."""
    healthy = {"p95_seconds": 0.022, "succeeded": 100, "failed": 0}
    calm = [second.model_copy(update=healthy) for second in missed.load.seconds]
    load = missed.load.model_copy(update={"seconds": calm})
    without = missed.model_copy(update={"load": load, "watched": [at_rest(one) for one in missed.watched]})
    assert judge(without).verdicts[0].outcome is VerdictOutcome.INCONCLUSIVE
    surging = without.model_copy(update={"faults": [_surge(missed, 100)]})
    assert judge(surging).verdicts[0].outcome is VerdictOutcome.MISSED
