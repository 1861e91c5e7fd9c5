"""Why a receiver was not notified, by a table: each case is one change to a recording without a notification."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import CallsRecord, DeliveryRecord, SilenceRecord, SuppressionRecord
from alertdrill.agent.verdict.diagnosis.undelivered import flushes
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome
from tests.agent.conftest import CONFIG

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


def test_a_route_that_was_muted_for_a_month_is_looked_at_minute_by_minute() -> None:
    """A recording of others can have millions of flushes."""
    first = 1_795_600_074.2
    for every in (1.0, 7.5, 60.0, 90.0, 3600.0):
        all_flushes = [first + number * every for number in range(int(30 * 86_400 / every) + 1)]
        looked_at = flushes(first, every, first + 30 * 86_400)
        assert {one // 60 for one in looked_at} == {one // 60 for one in all_flushes}
        assert set(looked_at) <= set(all_flushes)
        assert looked_at[-1] == all_flushes[-1]
        assert len(looked_at) <= 30 * 1440 * 60 / 52.5 + 2


def _routed_by(*routes: str) -> Change:
    config = (
        f"route: {{receiver: daily, routes: [{', '.join(routes)}]}}\n"
        "receivers: [{name: daily}, {name: weekly}, {name: pager}]"
    )
    return lambda recording: _alertmanager(recording, alerts=_held(recording, receivers=["daily"]), config=config)


def _relabelled(labels: dict[str, str]) -> Change:
    def change(recording: Recording) -> dict[str, Any]:
        config = "route: {receiver: daily, routes: [{receiver: pager, matchers: ['severity=page']}]}"
        held = _held(recording, receivers=["daily"], labels=labels, starts_at=_firing_at(recording))
        return _alertmanager(recording, alerts=held, config=config)

    return change


def _firing_at(recording: Recording) -> float:
    return next(one.instants[0] for one in recording.alerts if one.state == "firing")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            _routed_by("{receiver: pager, match: {instance: 'shop:80|bank:80'}}"),
            "and instance is 'shop:80' (`match` and `=` compare literally, `match_re` and `=~` by a regular expression)",
        ),
        (
            _routed_by("{receiver: pager, matchers: ['namespace=\"shop\"', 'severity=\"page\"']}"),
            'the route to pager needs namespace="shop", and it has no label `namespace`',
        ),
        (
            _routed_by("{receiver: pager, matchers: ['severity=~\"warn.*\"']}"),
            "the route to pager needs severity=~\"warn.*\", and severity is 'page'",
        ),
        (
            _routed_by(
                "{receiver: weekly, matchers: ['severity=page']}", "{receiver: pager, matchers: ['job=orders']}"
            ),
            "the route to pager would match too, but an earlier one took it, without `continue: true`",
        ),
        (
            _routed_by("{receiver: pager, match_re: {instance: 'shop'}}"),
            "instance=~\"shop\", and instance is 'shop:80' (a regular expression must match the whole value)",
        ),
        (
            _routed_by("{receiver: pager, match: {severity: Page}}"),
            "severity=\"Page\", and severity is 'page' (upper and lower case differ)",
        ),
        (_routed_by(), "no route leads to pager"),
        (
            _relabelled({"alertname": "OrdersSlow", "job": "orders", "instance": "shop:80"}),
            'without severity="page": alert_relabel_configs of Prometheus changed that; the route to pager needs severity=',
        ),
        (
            _relabelled({"alertname": "OrdersSlow", "job": "orders", "instance": "shop:80", "severity": "low"}),
            'Alertmanager has it with severity="low" instead of "page"',
        ),
    ],
)
def test_an_alert_that_went_elsewhere_is_told_what_it_lacks_for_its_route(
    passed: Recording, change: Change, says: str
) -> None:
    untold = passed.model_copy(update={"notifications": []} | change(passed))
    finding = judge(untold).verdicts[0].finding
    assert finding is not None
    assert finding.link is ChainLink.ROUTED_ELSEWHERE
    assert says in finding.sentence


def _sent(*deliveries: tuple[str, int, int], **calls: Any) -> Change:
    told = [DeliveryRecord(integration=name, sent=sent, failed=failed) for name, sent, failed in deliveries]
    return lambda recording: (
        _alertmanager(recording, alerts=_held(recording), deliveries=told) | {"calls": CallsRecord(**calls)}
    )


def _of_kind(kind: str, *deliveries: tuple[str, int, int]) -> Change:
    """Give the receiver integrations of one kind; others are of other receivers."""
    config = f"{CONFIG.partition('receivers')[0]}receivers: [{{name: pager, {kind}_configs: [{{channel: x}}]}}]"

    def change(recording: Recording) -> dict[str, Any]:
        found = _sent(*deliveries)(recording)
        return found | {"alertmanager": found["alertmanager"].model_copy(update={"config": config})}

    return change


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (_sent(("webhook", 1, 0)), VerdictOutcome.INCONCLUSIVE),
        (_sent(("slack", 1, 0)), VerdictOutcome.INCONCLUSIVE),
        (_sent(("webhook of pager", 2, 0)), VerdictOutcome.INCONCLUSIVE),
        # The configuration shows its webhook to this agent, so Alertmanager would have called.
        (_sent(("webhook", 1, 0), callers=["pager"]), VerdictOutcome.NOT_NOTIFIED),
        (_sent(("webhook of daily", 2, 0)), VerdictOutcome.NOT_NOTIFIED),
        (_sent(("webhook", 2, 2)), VerdictOutcome.NOT_NOTIFIED),
        (_of_kind("slack", ("slack", 1, 0), ("webhook", 2, 2)), VerdictOutcome.INCONCLUSIVE),
        (_of_kind("email", ("slack", 1, 0), ("webhook", 2, 2)), VerdictOutcome.NOT_NOTIFIED),
        (_sent(), VerdictOutcome.NOT_NOTIFIED),
    ],
)
def test_a_receiver_that_was_notified_elsewhere_is_not_blamed(
    passed: Recording, change: Change, outcome: VerdictOutcome
) -> None:
    verdict = judge(passed.model_copy(update={"notifications": []} | change(passed))).verdicts[0]
    assert verdict.outcome is outcome
    assert verdict.finding is not None
    is_elsewhere = outcome is VerdictOutcome.INCONCLUSIVE
    assert (verdict.finding.link is ChainLink.NOT_CALLED) is is_elsewhere
    assert verdict.reason.endswith("without a webhook of it to …/api/v1/webhook/pager") is is_elsewhere
