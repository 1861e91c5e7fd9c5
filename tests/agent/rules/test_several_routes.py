"""If several routes lead an alert to the expected receiver, the quickest of them decides."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import SilenceRecord, SuppressionRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, Verdict, VerdictOutcome

SLOW = "{matchers: [severity=page], receiver: archive, group_wait: 5m, continue: true}"
QUICK = "{matchers: [severity=page], receiver: pager, group_wait: 2s, group_interval: 5s}"
SLOW_TOO = "{matchers: [severity=page], receiver: pager, group_wait: 5m, continue: true}"


def _judged(recording: Recording, routes: str, receiver: str | None = "pager") -> Verdict:
    config = f"route: {{receiver: root, routes: [{routes}]}}"
    drill = recording.drill.model_dump(by_alias=True, mode="json")
    drill["expect"][0]["receiver"] = receiver
    changed: dict[str, Any] = {
        "drill": type(recording.drill).model_validate(drill),
        "alertmanager": recording.alertmanager.model_copy(update={"config": config}),
    }
    return judge(recording.model_copy(update=changed)).verdicts[0]


@pytest.mark.parametrize("routes", [f"{SLOW}, {QUICK}", f"{SLOW_TOO}, {QUICK}", QUICK])
@pytest.mark.parametrize("receiver", ["pager", None])
def test_the_receiver_that_was_notified_first_decides(passed: Recording, routes: str, receiver: str | None) -> None:
    verdict = _judged(passed, routes, receiver)
    assert verdict.outcome is VerdictOutcome.PASSED, verdict.reason
    (window,) = (one.window for one in verdict.milestones if one.name == "notified")
    assert window is not None
    assert "group_wait 2 s" in window.arithmetic


@pytest.mark.parametrize("receiver", ["pager", None])
def test_the_quickest_route_may_be_late_too(passed: Recording, receiver: str | None) -> None:
    late = [one.model_copy(update={"received_at": one.received_at + 4}) for one in passed.notifications]
    recording = passed.model_copy(update={"notifications": late})
    assert _judged(recording, f"{SLOW}, {QUICK}", receiver).outcome is VerdictOutcome.LATE


def test_a_route_that_is_muted_at_times_has_no_window(passed: Recording) -> None:
    muted = f"{QUICK[:-1]}, mute_time_intervals: [nights]}}"
    late = [one.model_copy(update={"received_at": one.received_at + 40}) for one in passed.notifications]
    assert _judged(passed.model_copy(update={"notifications": late}), muted).outcome is VerdictOutcome.PASSED
    verdict = _judged(passed.model_copy(update={"notifications": []}), muted)
    assert (verdict.outcome, verdict.finding and verdict.finding.link) == (VerdictOutcome.NOT_NOTIFIED, ChainLink.MUTED)
    assert "is muted at times, by nights" in verdict.reason


def _held(recording: Recording, **update: Any) -> Recording:
    at = recording.alerts[1].instants[0]
    one = SuppressionRecord(
        fingerprint="f",
        labels=recording.alerts[0].labels,
        state="suppressed",
        receivers=["pager"],
        silenced_by=[],
        inhibited_by=[],
        starts_at=at,
        first_seen_at=at,
        last_seen_at=at,
    ).model_copy(update=update)
    silence = SilenceRecord(silence_id="s1", matchers=[], starts_at=0, ends_at=at, created_by="ann", comment="")
    alertmanager = recording.alertmanager.model_copy(update={"alerts": [one], "silences": [silence], "looks": 3})
    return recording.model_copy(update={"alertmanager": alertmanager})


@pytest.mark.parametrize(
    ("update", "link"), [({"muted_by": ["nights"]}, ChainLink.MUTED), ({"silenced_by": ["s1"]}, ChainLink.SILENCED)]
)
def test_the_reason_is_named_for_late_and_for_missing_notifications(
    passed: Recording, update: dict[str, Any], link: ChainLink
) -> None:
    late = [one.model_copy(update={"received_at": one.received_at + 9}) for one in passed.notifications]
    for notifications, outcome in ((late, VerdictOutcome.LATE), ([], VerdictOutcome.NOT_NOTIFIED)):
        recording = _held(passed, **update).model_copy(update={"notifications": notifications})
        verdict = judge(recording).verdicts[0]
        assert (verdict.outcome, verdict.finding and verdict.finding.link) == (outcome, link)
        assert verdict.finding is not None
        assert verdict.finding.sentence in verdict.reason


@pytest.mark.parametrize("ahead", [0.04, -0.04])
def test_a_clock_that_is_a_little_off_makes_no_notification_early(passed: Recording, ahead: float) -> None:
    """Prometheus uses its clock for samples, and we use ours: a difference of 40 ms is within the limit of a drill."""
    clock = passed.prometheus.model_copy(update={"clock_ahead_seconds": ahead, "clock_unsure_seconds": 0.002})
    told = [one.model_copy(update={"received_at": one.starts_at - ahead + 2.005}) for one in passed.notifications]
    known = {"earlier_since": passed.started_at - 3600}
    recording = passed.model_copy(update={"prometheus": clock, "notifications": told} | known)
    assert _judged(recording, QUICK).outcome is VerdictOutcome.PASSED
    sooner = [one.model_copy(update={"received_at": one.received_at - 0.03}) for one in told]
    assert _judged(recording.model_copy(update={"notifications": sooner}), QUICK).outcome is VerdictOutcome.EARLY
