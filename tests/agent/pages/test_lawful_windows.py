"""What the first page says of an alert of a running drill: what was observed, what is lawful, and whether it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.drilling.changes import AlertChange
from alertdrill.agent.pages.live import Awaited, standing
from alertdrill.agent.recording.records import NotificationRecord, RuleRecord

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()
FAULT_AT = NOON + 10
SLOW = {"alertname": "Slow", "job": "shop"}
RULE = RuleRecord(
    alert="Slow",
    group="g",
    expr="slow > 0",
    for_seconds=5,
    keep_firing_for_seconds=0,
    labels={},
    annotations={},
    health="ok",
    interval_seconds=1,
)
WITHIN = Expectation(alert="Slow", within=timedelta(seconds=30), receiver="pager")
ALLOWED = "from 12:00:10.0 to 12:00:40.0 (within 30s of the fault)"
# Pending at 12:00:15.2, so that it fires five evaluations later.
WINDOW = "from 12:00:20.2 to 12:00:21.2 (for 5s, an evaluation every 1s)"
# Evaluations are told a few milliseconds late.
LATE = 0.003


def change(state: str, at: float, *, before: float | None = 1, since: float = 15.2, **labels: str) -> AlertChange:
    """Make a change at some seconds after noon; the evaluation before it was `before` seconds earlier."""
    seen = NOON + at + LATE
    return AlertChange(SLOW | labels, state, NOON + since, seen, None if before is None else seen - before)


def notified(at: float, status: str = "firing", receiver: str = "pager", since: float = 20.2) -> NotificationRecord:
    values = {"receiver": receiver, "status": status, "labels": SLOW, "ends_at": None}
    return NotificationRecord.model_validate(values | {"received_at": NOON + at, "starts_at": NOON + since})


PENDING = change("pending", 15.2)
TABLE: dict[str, tuple[Any, ...]] = {
    "before the fault": (None, [], "·", "inactive", "—", "only within 30s of the fault"),
    "pending before the fault": (
        *(None, [change("pending", 5, since=5)], "…", "pending"),
        *("pending since 12:00:05.0", "only within 30s of the fault"),
    ),
    "fired before the fault": (
        *(None, [change("firing", 5, since=0)], "✗", "firing"),
        *("pending since 12:00:00.0, firing at 12:00:05.0", "only within 30s of the fault"),
    ),
    "not yet": (FAULT_AT, [], "·", "inactive", "—", ALLOWED),
    "pending": (FAULT_AT, [PENDING], "…", "pending", "pending since 12:00:15.2", WINDOW),
    "pending no more": (FAULT_AT, [PENDING, change("inactive", 16.2)], "·", "inactive", "—", ALLOWED),
    "pending close to the drill's limit": (
        *(FAULT_AT, [change("pending", 34.5, since=34.5)], "…", "pending", "pending since 12:00:34.5"),
        "from 12:00:39.5 to 12:00:40.0 (for 5s, an evaluation every 1s)",
    ),
    "pending too late": (
        *(FAULT_AT, [change("pending", 38, since=38)], "…", "pending", "pending since 12:00:38.0"),
        "never: its rule fires it at 12:00:43.0 at the soonest, and the drill allows until 12:00:40.0",
    ),
    "fired": (
        *(FAULT_AT, [PENDING, change("firing", 20.2)], "✓", "firing"),
        *("pending since 12:00:15.2, firing at 12:00:20.2", WINDOW),
    ),
    "fired an evaluation early": (
        *(FAULT_AT, [PENDING, change("firing", 19.2)], "✗", "firing"),
        *("pending since 12:00:15.2, firing at 12:00:19.2", WINDOW),
    ),
    "fired an evaluation late": (
        *(FAULT_AT, [PENDING, change("firing", 21.2)], "✗", "firing"),
        *("pending since 12:00:15.2, firing at 12:00:21.2", WINDOW),
    ),
    "fired after looks that were too far apart": (
        *(FAULT_AT, [PENDING, change("firing", 22.2, before=4)], "·", "firing"),
        *("pending since 12:00:15.2, firing by 12:00:22.2, after 12:00:18.2", WINDOW),
    ),
    "fired after the drill's limit": (
        *(FAULT_AT, [change("firing", 43, since=38)], "✗", "firing"),
        "pending since 12:00:38.0, firing at 12:00:43.0",
        "never: its rule fires it at 12:00:43.0 at the soonest, and the drill allows until 12:00:40.0",
    ),
    "the first of two fired": (
        *(FAULT_AT, [PENDING, change("firing", 20.2), change("pending", 30, since=30, job="till")], "✓", "firing"),
        *("pending since 12:00:15.2, firing at 12:00:20.2", WINDOW),
    ),
    "another one fired": (FAULT_AT, [change("firing", 20.2, alertname="Down")], "·", "inactive", "—", ALLOWED),
    "resolved": (
        *(FAULT_AT, [PENDING, change("firing", 20.2), change("inactive", 30.2)], "✓", "resolved"),
        *("pending since 12:00:15.2, firing at 12:00:20.2, resolved at 12:00:30.2", WINDOW),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_only_an_alert_that_was_seen_to_fire_is_lawful_or_not(case: str) -> None:
    broken_at, changes, mark, state, observed, lawful = TABLE[case]
    found = standing(WITHIN, broken_at, changes, [RULE])
    assert (found.mark, found.state, found.observed, found.lawful) == (mark, state, observed, lawful)
    tones = {"✓": "good", "✗": "bad", "…": "unsure", "·": "soft"}
    assert found.tone == tones[mark]


def test_only_the_expected_receiver_s_call_about_this_firing_is_a_notification() -> None:
    of: Any = partial(standing, WITHIN, FAULT_AT, [PENDING, change("firing", 20.2)], [RULE])
    others = [notified(12, since=1), notified(21, receiver="mail"), notified(22, status="resolved")]
    assert "notified" not in of(others).observed
    assert of([*others, notified(23), notified(24)]).observed.endswith(", pager notified at 12:00:23.0")


def test_an_alert_without_a_known_rule_has_no_mark() -> None:
    found = standing(WITHIN, FAULT_AT, [change("firing", 20.2)], [])
    assert found == Awaited(
        "Slow", "firing", "pending since 12:00:15.2, firing by 12:00:20.2, after 12:00:19.2", ALLOWED
    )


def test_of_several_rules_with_one_name_any_may_have_made_the_alert() -> None:
    slower = RULE.model_copy(update={"for_seconds": 20.0})
    found = standing(WITHIN, FAULT_AT, [change("firing", 20.2)], [slower, RULE])
    assert (found.mark, found.lawful) == (
        "✓",
        f"from 12:00:35.2 to 12:00:36.2 (for 20s, an evaluation every 1s) or {WINDOW}",
    )
