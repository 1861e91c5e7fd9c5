from __future__ import annotations

import pytest

from alertdrill.agent.monitoring.alertmanager import NotificationCount, parse_counts

# Cut from what 0.25 and a newer one served.
OLD = """\
# HELP alertmanager_notifications_total The total number of attempted notifications.
# TYPE alertmanager_notifications_total counter
alertmanager_notifications_total{integration="email"} 0
alertmanager_notifications_total{integration="webhook"} 7
# TYPE alertmanager_notifications_failed_total counter
alertmanager_notifications_failed_total{integration="email"} 0
alertmanager_notifications_failed_total{integration="webhook"} 2
"""
NEW = """\
# TYPE alertmanager_notifications_total counter
alertmanager_notifications_total{integration="webhook",receiver_name="a"} 7
alertmanager_notifications_total{integration="webhook",receiver_name="b"} 1
# TYPE alertmanager_notifications_failed_total counter
alertmanager_notifications_failed_total{integration="webhook",reason="clientError",receiver_name="a"} 2
alertmanager_notifications_failed_total{integration="webhook",reason="other",receiver_name="a"} 1
alertmanager_notifications_failed_total{integration="webhook",reason="serverError",receiver_name="a"} 0
"""


def test_an_old_one_counts_by_integration_alone() -> None:
    assert parse_counts(OLD) == [
        NotificationCount("email", "", attempts=0, failed=0),
        NotificationCount("webhook", "", attempts=7, failed=2),
    ]


def test_a_new_one_names_receivers_and_its_reasons_are_summed() -> None:
    assert parse_counts(NEW) == [
        NotificationCount("webhook", "a", attempts=7, failed=3),
        NotificationCount("webhook", "b", attempts=1, failed=0),
    ]


@pytest.mark.parametrize("text", ["<!doctype html><p>Sign in", "a{b= 1", "a b c d"])
def test_text_that_is_not_metrics_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_counts(text)
