"""Labels that are added, dropped or rewritten between Prometheus and Alertmanager do not hide notifications."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, SuppressionRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Verdict, VerdictOutcome


def _told_as(recording: Recording, labels: dict[str, str]) -> Recording:
    told = [one.model_copy(update={"labels": labels}) for one in recording.notifications]
    return recording.model_copy(update={"notifications": told})


def _held(recording: Recording, labels: dict[str, str], **update: Any) -> Recording:
    at = recording.alerts[1].instants[0]
    one = SuppressionRecord(
        fingerprint="f",
        labels=labels,
        state="active",
        receivers=["pager"],
        silenced_by=[],
        inhibited_by=[],
        starts_at=at,
        first_seen_at=at,
        last_seen_at=at,
    ).model_copy(update=update)
    listed = [*recording.alertmanager.alerts, one]
    alertmanager = recording.alertmanager.model_copy(update={"alerts": listed, "looks": 3})
    return recording.model_copy(update={"alertmanager": alertmanager})


def _routed(recording: Recording, config: str) -> Recording:
    alertmanager = recording.alertmanager.model_copy(update={"config": config})
    return recording.model_copy(update={"alertmanager": alertmanager})


def _only(recording: Recording) -> Verdict:
    return judge(recording).verdicts[0]


@pytest.mark.parametrize(
    "change",
    [
        {"region": "here", "replica": "a"},
        {"instance": ""},
        {"job": "", "service": "orders"},
        {"severity": "critical"},
    ],
)
def test_a_notification_with_other_labels_is_still_of_the_alert(passed: Recording, change: dict[str, str]) -> None:
    """An empty label in this table stands for a dropped one."""
    labels = {name: value for name, value in (passed.alerts[0].labels | change).items() if value}
    assert _only(_told_as(passed, labels)).outcome is VerdictOutcome.PASSED


def test_one_that_began_at_another_instant_is_not(passed: Recording) -> None:
    labels = passed.alerts[0].labels | {"instance": "other:80"}
    other = _told_as(passed, labels)
    later = [one.model_copy(update={"starts_at": one.starts_at + 1}) for one in other.notifications]
    assert _only(other.model_copy(update={"notifications": later})).outcome is VerdictOutcome.NOT_NOTIFIED


def test_a_notification_is_of_the_alert_that_has_most_of_its_labels(passed: Recording) -> None:
    """Another alert has all labels of this one and one more: its notifications do not belong to this one."""
    finer = passed.alerts[0].labels | {"shard": "7"}
    also = [AlertSamples(labels=finer, state=one.state, instants=one.instants) for one in passed.alerts[:2]]
    recording = _told_as(passed, finer).model_copy(update={"alerts": [*passed.alerts, *also]})
    (whole, *others) = recording.watched[0].parts
    series = [*whole.series, whole.series[0].model_copy(update={"labels": whole.series[0].labels | {"shard": "7"}})]
    watched = recording.watched[0].model_copy(
        update={"parts": [whole.model_copy(update={"series": series, "total": 2}), *others]}
    )
    verdict = _only(recording.model_copy(update={"watched": [watched]}))
    assert verdict.outcome is VerdictOutcome.NOT_NOTIFIED
    assert verdict.labels == passed.alerts[0].labels


def test_the_route_is_that_of_the_labels_which_arrived(passed: Recording) -> None:
    """With an external label the alert takes another route, whose waits are longer than the root's."""
    tree = (
        "route: {receiver: pager, group_wait: 0s, routes: [{matchers: [region=here], receiver: pager, group_wait: 2s}]}"
    )
    labels = passed.alerts[0].labels | {"region": "here"}
    recording = _routed(_told_as(passed, labels), tree)
    for one in (recording, _held(_routed(passed, tree), labels)):
        verdict = _only(one)
        assert verdict.outcome is VerdictOutcome.PASSED, verdict.reason
        (window,) = (m.window for m in verdict.milestones if m.name == "notified")
        assert window is not None
        assert "group_wait 2 s" in window.arithmetic


def test_a_group_that_another_prometheus_opened_is_not_new(passed: Recording) -> None:
    """Alertmanager had an alert of the group before, from another Prometheus."""
    sooner = [one.model_copy(update={"received_at": one.received_at - 2}) for one in passed.notifications]
    early = passed.model_copy(update={"notifications": sooner, "earlier_since": passed.started_at - 3600})
    assert _only(early).outcome is VerdictOutcome.EARLY
    foreign = {"alertname": "Elsewhere", "severity": "page"}
    at = passed.started_at
    known = _held(_held(early, passed.alerts[0].labels), foreign, starts_at=at, fingerprint="e")
    assert _only(known).outcome is VerdictOutcome.PASSED
