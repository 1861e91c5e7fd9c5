from __future__ import annotations

from dataclasses import replace

import pytest

from simulator import Mute, Routing, Stretches
from simulator.alertmanager import Alertmanager
from simulator.group import Post
from simulator.rules import Sent
from simulator.values import Labels, labels_of

ROUTING = Routing(group_wait=2000, group_interval=5000, repeat_interval=60_000)
ALERT = labels_of(alertname="Deep", instance="1")
OTHER = labels_of(alertname="Deep", instance="2")


def fires(at: int, labels: Labels = ALERT, since: int | None = None) -> Post:
    return Post(at, (Sent(labels, at if since is None else since, at + 240_000),))


def resolves(at: int, since: int, labels: Labels = ALERT) -> Post:
    return Post(at, (Sent(labels, since, at),))


def told(*posts: Post, routing: Routing = ROUTING, until: int = 58_000) -> list[tuple[int, str]]:
    """Return the instant of each notification, and `F` or `R` for each of its alerts."""
    alertmanager = Alertmanager(routing)
    alertmanager.run(posts, until)
    return [
        (notification.at, "".join("F" if alert.status == "firing" else "R" for alert in notification.alerts))
        for notification in alertmanager.notifications
    ]


def test_a_new_group_is_notified_after_its_wait_and_resolved_at_an_interval() -> None:
    assert told(fires(1000), resolves(9000, 1000)) == [(3000, "F"), (13_000, "R")]


def test_an_alert_older_than_the_wait_is_notified_at_once() -> None:
    assert told(fires(9000, since=6999)) == [(9000, "F")]
    assert told(fires(9000, since=7000)) == [(11_000, "F")]


def test_an_alert_that_resolves_within_the_wait_is_never_notified() -> None:
    assert told(fires(1000), resolves(2500, 1000)) == []


def test_a_second_alert_joins_its_group_at_the_next_interval() -> None:
    assert told(fires(1000), fires(4000, OTHER)) == [(3000, "F"), (8000, "FF")]


def test_other_groups_wait_for_themselves() -> None:
    routing = replace(ROUTING, group_by=("alertname", "instance"))
    assert told(fires(1000), fires(4000, OTHER), routing=routing) == [(3000, "F"), (6000, "F")]


@pytest.mark.parametrize(
    ("destroys", "cleanup_phase", "expected"),
    [
        (False, 0, 18_000),
        (True, 0, 16_010),
        (False, 13_500, 16_010),
        (False, 14_011, 18_000),
    ],
)
def test_an_emptied_group_lives_until_the_cleanup_in_0_25_and_is_gone_at_once_in_0_34(
    destroys: bool,  # noqa: FBT001 (a parameter of a table)
    cleanup_phase: int,
    expected: int,
) -> None:
    routing = replace(ROUTING, destroys_emptied=destroys, cleanup_phase=cleanup_phase)
    posts = (fires(1000), resolves(9000, 1000), fires(14_010))
    assert told(*posts, routing=routing)[2:] == [(expected, "F")]


def test_it_is_repeated_strictly_after_the_repeat_interval() -> None:
    posts = [fires(at, since=1000) for at in range(1000, 150_000, 30_000)]
    assert told(*posts, until=150_000) == [(3000, "F"), (68_000, "F"), (133_000, "F")]


def test_an_alert_that_prometheus_stops_sending_ends_by_itself() -> None:
    assert told(fires(1000), until=300_000, routing=replace(ROUTING, repeat_interval=9_000_000)) == [
        (3000, "F"),
        (243_000, "R"),
    ]


def test_a_receiver_without_resolved_is_not_called_for_them() -> None:
    assert told(fires(1000), resolves(9000, 1000), routing=replace(ROUTING, send_resolved=False)) == [(3000, "F")]


@pytest.mark.parametrize("kind", ["silence", "inhibition"])
def test_a_muted_alert_is_notified_when_the_mute_has_ended(kind: str) -> None:
    mute = Mute(kind, Stretches(((0, 10_000),)), labels_of(instance="1"))  # type: ignore[arg-type]
    assert told(fires(1000), fires(1000, OTHER), routing=replace(ROUTING, mutes=(mute,))) == [
        (3000, "F"),
        (13_000, "FF"),
    ]


def test_a_post_that_does_not_arrive_is_lost() -> None:
    routing = replace(ROUTING, unreachable=Stretches(((0, 5000),)))
    assert told(fires(1000), routing=routing) == []
    assert told(fires(1000), fires(6000, since=1000), routing=routing) == [(6000, "F")]


def test_delivery_to_and_from_alertmanager_takes_time() -> None:
    assert told(fires(1000), routing=replace(ROUTING, transit=7, delivery=20)) == [(3027, "F")]


def test_an_alert_that_fires_anew_before_it_was_resolved_begins_where_it_began() -> None:
    """So it is after a restart of Prometheus, which loses since when the alert has fired."""
    alertmanager = Alertmanager(ROUTING)
    alertmanager.run([fires(1000), fires(20_000)], 300_000)
    assert {alert.starts_at for notification in alertmanager.notifications for alert in notification.alerts} == {1000}
