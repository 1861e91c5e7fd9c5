"""Why a receiver was not notified, by a table: each case is one change to a recording without a notification."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import DeliveryRecord, SilenceRecord, SuppressionRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome

Change = Callable[[Recording], dict[str, Any]]

OTHER = {"alertname": "Outage", "severity": "page"}


def _held(recording: Recording, **update: Any) -> list[SuppressionRecord]:
    at = recording.started_at + 50
    common = {"receivers": ["pager"], "silenced_by": [], "inhibited_by": []}
    seen: dict[str, Any] = {"state": "active", "first_seen_at": at, "last_seen_at": at}
    alert = SuppressionRecord(fingerprint="a1", labels=recording.alerts[0].labels, **common, **seen)
    other = SuppressionRecord(fingerprint="b2", labels=OTHER, **common, **seen)
    return [alert.model_copy(update=update), other]


def _alertmanager(recording: Recording, **update: Any) -> dict[str, Any]:
    return {"alertmanager": recording.alertmanager.model_copy(update={"looks": 3} | update)}


def _silenced(recording: Recording) -> dict[str, Any]:
    silence = SilenceRecord(
        silence_id="s1",
        matchers=['alertname="OrdersSlow"'],
        starts_at=0,
        ends_at=2e9,
        created_by="ann",
        comment="planned work",
    )
    return _alertmanager(recording, alerts=_held(recording, silenced_by=["s1"]), silences=[silence])


def _inhibited(recording: Recording) -> dict[str, Any]:
    return _alertmanager(recording, alerts=_held(recording, inhibited_by=["b2"]))


def _routed(recording: Recording) -> dict[str, Any]:
    config = "route: {receiver: daily, group_wait: 2s, group_interval: 5s}\nreceivers: [{name: daily}]"
    return _alertmanager(recording, alerts=_held(recording, receivers=["daily"]), config=config)


def _refused(recording: Recording) -> dict[str, Any]:
    deliveries = [DeliveryRecord(integration="webhook", sent=4, failed=4)]
    return _alertmanager(recording, alerts=_held(recording), deliveries=deliveries)


def _muted(route: str, *, interval: str, **update: Any) -> Change:
    """Mute the route by a time interval; the alert fires on 2026-09-21, a Monday, at 13:34 UTC, and is over at 13:35."""
    config = (
        f"route: {{receiver: x, routes: [{{receiver: pager, group_wait: 2s, group_interval: 5s, {route}}}]}}\n"
        f"time_intervals: [{{name: nights, time_intervals: [{interval}]}}]"
    )
    return lambda recording: _alertmanager(recording, alerts=_held(recording), config=config, **update)


def _waits(**waits: str) -> Change:
    spelled = ", ".join(f"{name}: {value}" for name, value in waits.items())
    config = f"route: {{receiver: pager, {spelled}}}\nreceivers: [{{name: pager}}]"
    return lambda recording: _alertmanager(recording, alerts=_held(recording), config=config)


@pytest.mark.parametrize(
    ("change", "link", "says"),
    [
        (lambda recording: _alertmanager(recording, alerts=[]), ChainLink.NOT_SENT, "Alertmanager never had it"),
        (_silenced, ChainLink.SILENCED, 'silenced by s1 of ann (alertname="OrdersSlow": planned work)'),
        (_inhibited, ChainLink.INHIBITED, 'inhibited by Outage{severity="page"}'),
        (_routed, ChainLink.ROUTED_ELSEWHERE, "lead to daily"),
        (_refused, ChainLink.NOT_DELIVERED, "notifications that failed: 4 of 4 by webhook"),
        (_waits(group_wait="2m"), ChainLink.STILL_WAITING, "was over 53.0 s later, within the group_wait of 120 s"),
        (_waits(group_wait="1s", group_interval="5m"), ChainLink.STILL_WAITING, "waits up to 300 s (group_interval)"),
        (
            _muted(
                "mute_time_intervals: [nights]",
                interval="{weekdays: ['monday:friday']}",
                deliveries=[DeliveryRecord(integration="webhook", sent=4, failed=1)],
            ),
            ChainLink.MUTED,
            "its route to pager was muted all the while, by the time interval nights",
        ),
        (
            _muted("active_time_intervals: [nights]", interval="{times: [{start_time: 22:00, end_time: 24:00}]}"),
            ChainLink.MUTED,
            "muted all the while, outside of the time interval nights",
        ),
        (
            _muted(
                "mute_time_intervals: [nights]",
                interval="{times: [{start_time: 22:00, end_time: 24:00}]}",
                deliveries=[DeliveryRecord(integration="webhook", sent=4, failed=1)],
            ),
            ChainLink.NOT_DELIVERED,
            "notifications that failed: 1 of 4 by webhook",
        ),
        (
            _muted("mute_time_intervals: [nights]", interval="{location: Nowhere/Else, times: []}"),
            ChainLink.MUTED,
            "is muted at times, by nights: that may have been so then",
        ),
        (
            lambda recording: _alertmanager(
                recording,
                alerts=_held(recording),
                deliveries=[DeliveryRecord(integration="webhook of daily", sent=4, failed=4)],
            ),
            ChainLink.NOT_DELIVERED,
            "pager was never told although nothing held it back",
        ),
        (
            lambda recording: _alertmanager(recording, alerts=_held(recording)),
            ChainLink.NOT_DELIVERED,
            "pager was never told although nothing held it back",
        ),
    ],
)
def test_the_first_broken_link_is_named(passed: Recording, change: Change, link: ChainLink, says: str) -> None:
    untold = passed.model_copy(update={"notifications": []} | change(passed))
    verdict = judge(untold).verdicts[0]
    assert verdict.outcome is VerdictOutcome.NOT_NOTIFIED
    assert verdict.finding is not None
    assert verdict.finding.link is link
    assert says in verdict.reason
