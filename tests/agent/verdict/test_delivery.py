"""When a receiver must be notified, and which notifications belong to an alert; instants are seconds from firing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, NotificationRecord, SuppressionRecord
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.verdict.delivery import notifications_of, quickest_route, routes_of, routes_to
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import Window
from alertdrill.agent.verdict.window import first_notified_window, known_for_seconds, notified_window
from tests.support.one_rule import START, rule, watched

FIRED = START + 7200
LABELS = {"alertname": "QueueGrows", "job": "shop"}
OTHER = {"alertname": "DiskFull", "job": "shop"}
ELSEWHERE = {"alertname": "DiskFull", "job": "bank"}
ALERT = AlertTimeline(LABELS, FIRED - 10, FIRED, FIRED + 60)
# A notification may arrive 10 ms early, because clocks are cut off, and a second late.
EARLY, LATE = 0.010, 1.0


def _route(wait: float, interval: float, **update: Any) -> Route:
    waits = (timedelta(seconds=wait), timedelta(seconds=interval))
    return Route("pager", *waits, **({"group_by": ("job",)} | update))


def _samples(labels: dict[str, str], *at: float, state: Literal["pending", "firing"] = "firing") -> AlertSamples:
    return AlertSamples(labels=labels, state=state, instants=[FIRED + one for one in at])


def _recording(passed: Recording, **update: Any) -> Recording:
    """A drill that began two hours before the alert fired, with no other alert in its recording."""
    nothing: dict[str, Any] = {"watched": [], "targets": [], "notifications": [], "rules": [], "earlier_since": None}
    of_time = {"started_at": START, "ended_at": FIRED + 600, "alerts": [_samples(LABELS, 0, 1)]}
    return passed.model_copy(update=nothing | of_time | update)


def _bounds(window: Window | None) -> tuple[float, float] | None:
    if window is None:
        return None
    return round(window.earliest - FIRED + EARLY, 6), round(window.latest - FIRED - LATE, 6)


def _looks_back(seconds: float) -> dict[str, Any]:
    return {"watched": [watched("T", query_offset_seconds=seconds)]}


FRESH, KNOWN = (30.0, 30.0), (0.0, 300.0)


@pytest.mark.parametrize(
    ("wait", "interval", "known", "window"),
    [
        # firing + group_wait for a new group, else firing + at most max(group_wait, group_interval).
        (30, 300, False, (30, 30)),
        (0, 300, False, (0, 0)),
        (30, 300, True, (0, 300)),
        (60, 10, True, (0, 60)),
    ],
)
def test_a_new_group_waits_for_group_wait_and_a_known_one_at_most_for_the_longer_of_both(
    passed: Recording, wait: float, interval: float, window: tuple[float, float], *, known: bool
) -> None:
    alerts = [_samples(LABELS, 0), *([_samples(OTHER, -20)] if known else [])]
    recording = _recording(passed, alerts=alerts)
    assert _bounds(notified_window(recording, ALERT, _route(wait, interval), 0)) == window


@pytest.mark.parametrize(
    ("other", "window"),
    [
        (_samples(OTHER, -20, -10), KNOWN),
        (_samples(OTHER, -20, -10, state="pending"), FRESH),
        (_samples(ELSEWHERE, -20, -10), FRESH),
        # At the same evaluation, within 10 ms, or after it.
        (_samples(OTHER, -0.009, 5), FRESH),
        (_samples(OTHER, -0.011, 5), KNOWN),
        # Prometheus sends its end for 15 minutes; then the group lives for a flush (300 s) and a clean-up (30 s).
        (_samples(OTHER, -1229), KNOWN),
        (_samples(OTHER, -1231), FRESH),
    ],
)
@pytest.mark.parametrize("where", ["alerts", "earlier"])
def test_a_group_is_known_from_any_of_its_alerts_that_fired_before(
    passed: Recording, other: AlertSamples, window: tuple[float, float], where: str
) -> None:
    own = _samples(LABELS, 0, 1)
    update: dict[str, Any] = {"alerts": [own, other]} if where == "alerts" else {"earlier": [other]}
    assert _bounds(notified_window(_recording(passed, **update), ALERT, _route(30, 300), 0)) == window


@pytest.mark.parametrize(("at", "window"), [(-1289, KNOWN), (-1291, FRESH)])
def test_an_alert_is_over_an_evaluation_after_its_last_sample(
    passed: Recording, at: float, window: tuple[float, float]
) -> None:
    """Prometheus sends an end for 15 minutes from ResolvedAt on, which is one evaluation (60 s) after the last sample."""
    rules = [rule(), rule(alert="DiskFull", interval_seconds=60)]
    recording = _recording(passed, rules=rules, alerts=[_samples(LABELS, 0), _samples(OTHER, at)])
    assert _bounds(notified_window(recording, ALERT, _route(30, 300), 0)) == window


@pytest.mark.parametrize(
    ("began_at", "earlier_since", "window"),
    [
        (-1231, None, FRESH),
        (-1229, None, KNOWN),
        (-5, -1231, FRESH),
        (-5, -1229, KNOWN),
    ],
)
def test_a_group_is_new_only_if_the_recording_goes_back_far_enough(
    passed: Recording, began_at: float, earlier_since: float | None, window: tuple[float, float]
) -> None:
    since = None if earlier_since is None else FIRED + earlier_since
    recording = _recording(passed, started_at=FIRED + began_at, earlier_since=since)
    assert _bounds(notified_window(recording, ALERT, _route(30, 300), 0)) == window


def _held(labels: dict[str, str], starts_at: float | None) -> SuppressionRecord:
    return SuppressionRecord(
        fingerprint="f",
        labels=labels,
        state="active",
        receivers=["pager"],
        silenced_by=[],
        inhibited_by=[],
        starts_at=None if starts_at is None else FIRED + starts_at,
        first_seen_at=FIRED,
        last_seen_at=FIRED,
    )


@pytest.mark.parametrize(
    ("held", "window"),
    [
        (_held(OTHER, -3600), KNOWN),
        (_held(OTHER, None), KNOWN),
        (_held(OTHER, -0.004), FRESH),
        (_held(OTHER, 5), FRESH),
        (_held(ELSEWHERE, -3600), FRESH),
        (_held(LABELS, 0), FRESH),
        (_held(LABELS, None), FRESH),
    ],
)
def test_a_group_is_known_from_an_alert_of_another_prometheus(
    passed: Recording, held: SuppressionRecord, window: tuple[float, float]
) -> None:
    alertmanager = passed.alertmanager.model_copy(update={"alerts": [held]})
    recording = _recording(passed, alertmanager=alertmanager)
    assert _bounds(notified_window(recording, ALERT, _route(30, 300), 0)) == window


@pytest.mark.parametrize(("wait", "interval", "known_for"), [(30, 300, 1230), (600, 300, 1530), (0, 5, 935)])
def test_a_group_is_known_for_a_quarter_of_an_hour_a_flush_and_a_clean_up(
    wait: float, interval: float, known_for: float
) -> None:
    assert known_for_seconds(_route(wait, interval)) == known_for


@pytest.mark.parametrize(("peers", "longer"), [(1, 0), (2, 15), (3, 30)])
@pytest.mark.parametrize(("alerts", "window"), [([], FRESH), ([_samples(OTHER, -20)], KNOWN)])
def test_each_peer_of_a_cluster_may_wait_fifteen_seconds_longer(
    passed: Recording, peers: int, longer: float, alerts: list[AlertSamples], window: tuple[float, float]
) -> None:
    alertmanager = passed.alertmanager.model_copy(update={"peers": peers})
    found = notified_window(_recording(passed, alertmanager=alertmanager, alerts=alerts), ALERT, _route(30, 300), 0)
    assert _bounds(found) == (window[0], window[1] + longer)
    assert (f"for {peers} peers" in found.arithmetic) == (peers > 1)


@pytest.mark.parametrize(
    ("ahead", "unsure", "window"), [(0.0, 0.0, (30, 30)), (0.4, 0.0, (29.6, 29.6)), (-0.4, 0.1, (30.3, 30.5))]
)
def test_it_fires_by_the_server_s_clock_and_is_received_by_ours(
    passed: Recording, ahead: float, unsure: float, window: tuple[float, float]
) -> None:
    clock = passed.prometheus.model_copy(update={"clock_ahead_seconds": ahead, "clock_unsure_seconds": unsure})
    assert _bounds(notified_window(_recording(passed, prometheus=clock), ALERT, _route(30, 300), 0)) == window


@pytest.mark.parametrize(
    ("other", "window"),
    [
        # Samples carry the instant of the data, which is evaluated 60 s later; so do other samples of this rule.
        (None, (90, 90)),
        # An alert of a rule without an offset fires at the instant of its sample: 30 s before this one, or after it.
        (_samples(OTHER, 30), (60, 360)),
        (_samples(OTHER, 61), (90, 90)),
        # It was over for long enough.
        (_samples(OTHER, -1171), (90, 90)),
        (_samples(OTHER, -1169), (60, 360)),
    ],
)
def test_an_alert_of_a_group_that_looks_back_fires_that_much_later(
    passed: Recording, other: AlertSamples | None, window: tuple[float, float]
) -> None:
    alerts = [_samples(LABELS, 0, 1), *([other] if other else [])]
    recording = _recording(passed, alerts=alerts, **_looks_back(60))
    assert _bounds(notified_window(recording, ALERT, _route(30, 300), 60)) == window


@pytest.mark.parametrize(
    ("routes", "window"),
    [
        ([], None),
        ([_route(30, 300)], (30, 30)),
        # Any of them may notify first; the quickest one must.
        ([_route(30, 300), _route(5, 300)], (5, 5)),
        ([_route(30, 300, group_by=()), _route(60, 20, group_by=("job", "alertname"))], (0, 60)),
        ([_route(30, 300), _route(5, 300, muted_in=("nights",))], None),
    ],
)
def test_of_several_routes_the_quickest_must_notify(
    passed: Recording, routes: list[Route], window: tuple[float, float] | None
) -> None:
    """An alert of another name fires before: a route without group_by has its group, one that groups by name has not."""
    recording = _recording(passed, alerts=[_samples(LABELS, 0), _samples(ELSEWHERE, -20)])
    assert _bounds(first_notified_window(recording, ALERT, routes, 0)) == window


CONFIG = """
route:
  receiver: root
  routes:
    - {matchers: [job=shop], receiver: archive, group_wait: 5m, continue: true}
    - {matchers: [job=shop], receiver: pager, group_wait: 1m, continue: true}
    - {matchers: [job=shop], receiver: pager, group_wait: 10s}
"""


def _routed(passed: Recording, config: str, **update: Any) -> Recording:
    alertmanager = passed.alertmanager.model_copy(update={"config": config})
    return _recording(passed, alertmanager=alertmanager, **update)


@pytest.mark.parametrize(
    ("receiver", "told", "waits", "quickest"),
    [
        ("pager", [], [60, 10], 10),
        ("archive", [], [300], 300),
        ("root", [], [], None),
        # Without an expected receiver, the routes to all notified receivers count.
        (None, ["archive"], [300], 300),
        (None, ["pager", "archive"], [300, 60, 10], 10),
        (None, [], [], None),
    ],
)
def test_the_routes_are_those_to_the_receiver(
    passed: Recording, receiver: str | None, told: list[str], waits: list[float], quickest: float | None
) -> None:
    recording = _routed(passed, CONFIG, notifications=[_told(10, receiver=name) for name in told])
    assert [way.group_wait.total_seconds() for way in routes_to(recording, ALERT, receiver)] == waits
    way = quickest_route(recording, ALERT, receiver)
    assert (None if way is None else way.group_wait.total_seconds()) == quickest


@pytest.mark.parametrize("config", ["", "route: [", "receivers: []", "route: {receiver: a, group_wait: soon}"])
def test_a_configuration_that_cannot_be_followed_has_no_routes(passed: Recording, config: str) -> None:
    assert routes_of(_routed(passed, config), LABELS) == []


def _told(received: float, starts: float = 0.0, **update: Any) -> NotificationRecord:
    return NotificationRecord.model_validate(
        {
            "received_at": FIRED + received,
            "receiver": "pager",
            "status": "firing",
            "labels": LABELS,
            "starts_at": FIRED + starts,
            "ends_at": None,
        }
        | update
    )


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (_told(2), True),
        (_told(400), True),
        (_told(2, status="resolved"), False),
        (_told(2, labels=OTHER), False),
        (_told(2, labels=LABELS | {"cluster": "eu"}), True),
        # Clocks may be a second apart; an earlier notification belongs to an earlier time that the alert fired, or to none.
        (_told(-0.9, -0.9), True),
        (_told(-1.1, -0.9), False),
        # It was over at 60: a notification that began then belongs to the next time.
        (_told(70, 59.9), True),
        (_told(70, 60), False),
    ],
)
def test_notifications_that_begin_before_its_end_belong_to_an_alert(
    passed: Recording, told: NotificationRecord, *, counts: bool
) -> None:
    assert notifications_of(_recording(passed, notifications=[told]), ALERT) == ([told] if counts else [])


def test_resolved_notifications_are_selected_by_their_status(passed: Recording) -> None:
    told = [_told(2), _told(70, status="resolved")]
    assert notifications_of(_recording(passed, notifications=told), ALERT, "resolved") == told[1:]


def test_an_alert_that_never_fired_has_no_notifications(passed: Recording) -> None:
    pending = AlertTimeline(LABELS, FIRED, None, FIRED + 5)
    assert notifications_of(_recording(passed, notifications=[_told(2)]), pending) == []


@pytest.mark.parametrize(
    ("received", "starts", "counts"),
    [
        # It fires at 90 and is over at 150, but its samples are at 0 and 60.
        (95, 90, True),
        (160, 149.9, True),
        (160, 150, False),
        # A repeated notification of the time before.
        (88.9, 20, False),
    ],
)
def test_notifications_of_a_short_alert_with_a_long_query_offset_are_found(
    passed: Recording, received: float, starts: float, *, counts: bool
) -> None:
    recording = _recording(passed, notifications=[_told(received, starts)], **_looks_back(90))
    assert bool(notifications_of(recording, ALERT)) is counts


@pytest.mark.parametrize(
    ("started", "peers", "older", "window"),
    [
        (FIRED - 3600, 1, [], (600, 600)),
        # Prometheus also sends a new Alertmanager the alerts that were over up to a quarter of an hour before.
        (FIRED - 600, 1, [-1300], (0, 86_400)),
        (FIRED - 3600, 2, [], (0, 86_400 + 15)),
    ],
)
def test_an_alertmanager_that_has_just_started_has_no_old_groups(
    passed: Recording, started: float, peers: int, older: list[float], window: tuple[float, float]
) -> None:
    """A daily summary keeps a group for a day, but a recording does not begin a day before its drill."""
    alertmanager = passed.alertmanager.model_copy(update={"started_at": [started], "peers": peers})
    alerts = [_samples(LABELS, 0, 1), *[_samples(LABELS, one) for one in older]]
    recording = _recording(passed, alertmanager=alertmanager, started_at=FIRED - 1200, alerts=alerts)
    recording = recording.model_copy(update={"earlier_since": FIRED - 4500 - 200})
    route = _route(600, 86_400)
    assert _bounds(notified_window(recording, ALERT, route, 0.0)) == window
