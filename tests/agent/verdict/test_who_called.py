"""Only notifications that Alertmanager itself can have sent count, and its own count of calls must agree.

The sample drill passed: HighResponseTime (warning) was notified once, to team-lead, by the only call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.agent.recording.records import CallsRecord, NotificationRecord, RefusalRecord
from alertdrill.agent.report.drill.chronicle import chronicle
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Judgement

NOTE = (
    "a notification of HighResponseTime for on-call was received, but Alertmanager's routes do not lead there:"
    " it is not counted"
)


@pytest.fixture
def passed() -> Recording:
    return read_recording(Path(__file__).parents[2] / "recordings/passed.recording.json.gz")


def _forged(passed: Recording, **update: Any) -> NotificationRecord:
    """Make the notification that somebody else sends for `on-call`, right after the real one."""
    (real,) = passed.notifications
    return real.model_copy(update={"receiver": "on-call", "received_at": real.received_at + 0.01} | update)


def _expecting(passed: Recording, receiver: str, **update: Any) -> Recording:
    expect = [one.model_copy(update={"receiver": receiver}) for one in passed.drill.expect]
    drill = passed.drill.model_copy(update={"expect": expect})
    return passed.model_copy(update={"drill": drill, "calls": CallsRecord(sent_by_alertmanager=1)} | update)


def _outcomes(judgement: Judgement) -> list[str]:
    return [str(one.outcome) for one in judgement.verdicts]


def test_a_real_notification_counts(passed: Recording) -> None:
    judgement = judge(_expecting(passed, "team-lead"))
    assert (_outcomes(judgement), judgement.verdicts[0].notes) == (["passed"], ())


def test_a_notification_that_the_routes_cannot_have_led_to_its_receiver_is_shown_and_not_counted(
    passed: Recording,
) -> None:
    """The verdict is that of the drill without it."""
    honest = judge(_expecting(passed, "on-call"))
    recording = _expecting(passed, "on-call", notifications=[*passed.notifications, _forged(passed)])
    judgement = judge(recording)
    (verdict,) = judgement.verdicts
    assert _outcomes(judgement) == _outcomes(honest) == ["wrong_receiver"]
    assert verdict.reason == honest.verdicts[0].reason
    assert "lead to team-lead" in verdict.reason
    assert verdict.notes == (NOTE,)
    shown = [one.text for one in chronicle(recording) if "on-call" in one.text]
    assert shown == [
        "on-call notified: HighResponseTime firing, which is not counted: Alertmanager's routes do not lead there"
    ]


def test_it_passes_nothing_when_nobody_else_was_told(passed: Recording) -> None:
    calls = CallsRecord(sent_by_alertmanager=0)
    judgement = judge(_expecting(passed, "on-call", notifications=[_forged(passed)], calls=calls))
    assert _outcomes(judgement) == ["not_notified"]
    assert judgement.exit_code == 1


def test_labels_that_would_be_routed_there_do_not_help(passed: Recording) -> None:
    """Alertmanager's list has other labels for the alert of this start."""
    labels = passed.notifications[0].labels | {"severity": "critical"}
    forged = _forged(passed, labels=labels)
    judgement = judge(_expecting(passed, "on-call", notifications=[*passed.notifications, forged]))
    assert _outcomes(judgement) == ["wrong_receiver"]


def test_without_alertmanager_s_list_its_routes_alone_decide(passed: Recording) -> None:
    server = passed.alertmanager.model_copy(update={"alerts": [], "looks": 0})
    forged = [*passed.notifications, _forged(passed)]
    judgement = judge(_expecting(passed, "on-call", notifications=forged, alertmanager=server))
    assert _outcomes(judgement) == ["wrong_receiver"]


def test_without_list_and_routes_every_notification_counts(passed: Recording) -> None:
    """Some servers with Alertmanager's API serve no configuration."""
    server = passed.alertmanager.model_copy(update={"alerts": [], "looks": 0, "config": "", "config_at_end": None})
    forged = [*passed.notifications, _forged(passed)]
    calls = CallsRecord(sent_by_alertmanager=2)
    judgement = judge(_expecting(passed, "on-call", notifications=forged, alertmanager=server, calls=calls))
    assert _outcomes(judgement) == ["passed"]


@pytest.mark.parametrize(
    ("counted", "outcome"), [(2, "passed"), (5, "passed"), (1, "inconclusive"), (0, "inconclusive")]
)
def test_more_calls_than_alertmanager_counts_make_the_drill_inconclusive(
    passed: Recording, counted: int, outcome: str
) -> None:
    """A notification in the name of the right receiver can be told from a real one by the count alone."""
    again = _forged(passed, receiver="team-lead")
    calls = CallsRecord(sent_by_alertmanager=counted)
    judgement = judge(_expecting(passed, "team-lead", notifications=[*passed.notifications, again], calls=calls))
    assert _outcomes(judgement) == [outcome]
    assert judgement.undermined_by == (
        (f"the webhook was called 2 times, and Alertmanager counts {counted} calls: others call it too",)
        if outcome == "inconclusive"
        else ()
    )


def test_alerts_of_one_call_are_one_call(passed: Recording) -> None:
    (real,) = passed.notifications
    both = [real, real.model_copy(update={"labels": real.labels | {"instance": "other"}})]
    assert _outcomes(judge(_expecting(passed, "team-lead", notifications=both))) == ["passed"]


def test_calls_that_cannot_be_counted_undermine_nothing(passed: Recording) -> None:
    again = [*passed.notifications, _forged(passed, receiver="team-lead")]
    judgement = judge(_expecting(passed, "team-lead", notifications=again, calls=CallsRecord()))
    assert _outcomes(judgement) == ["passed"]


def test_a_recording_of_an_older_version_is_judged_as_before(passed: Recording) -> None:
    forged = [*passed.notifications, _forged(passed)]
    recording = _expecting(passed, "on-call", notifications=forged, calls=None)
    judgement = judge(recording)
    assert (_outcomes(judgement), judgement.verdicts[0].notes) == (["passed"], ())


def test_refused_calls_are_noted_with_their_reason(passed: Recording) -> None:
    at = passed.started_at
    refused = RefusalRecord(reason="it has no credential", count=3, first_at=at, last_at=at + 1)
    calls = CallsRecord(refused=[refused], sent_by_alertmanager=4)
    recording = _expecting(passed, "team-lead", calls=calls)
    judgement = judge(recording)
    note = "calls of the webhook that were refused: 3, because it has no credential"
    assert (_outcomes(judgement), judgement.verdicts[0].notes) == (["passed"], (note,))


def test_calls_that_were_told_to_come_again_make_the_drill_inconclusive(passed: Recording) -> None:
    at = passed.started_at
    refused = RefusalRecord(reason="too many calls", count=7, first_at=at, last_at=at + 1)
    calls = CallsRecord(refused=[refused], sent_by_alertmanager=8)
    judgement = judge(_expecting(passed, "team-lead", calls=calls))
    assert _outcomes(judgement) == ["inconclusive"]
    assert judgement.undermined_by == (
        "7 calls of the webhook were too many and refused, so a notification may be late",
    )
