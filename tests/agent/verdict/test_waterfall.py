"""The parts of the time from the fault to the notification; instants are seconds from the fault."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.onset import Onset
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import Span, VerdictOutcome
from alertdrill.agent.verdict.waterfall import longest, spans
from tests.support.one_rule import START, rule

RATE = "rate(errors_total[5m]) > 7"


def _cut(
    first_bad: float | None,
    condition: float | None,
    pending: float,
    firing: float | None,
    told: float | None,
    **update: Any,
) -> tuple[Span, ...]:
    def at(seconds: float | None) -> float | None:
        return None if seconds is None else START + seconds

    values: dict[str, Any] = {
        "onset": Onset(classify("queue > 5"), at(first_bad), (0.0, 0.0)),
        "timeline": AlertTimeline({}, START + pending, at(firing), None),
        "rule": rule(for_seconds=70),
        "timing": Timing(scrape=15, interval=30, for_=70),
        "route": None,
    }
    return spans(fault_at=START, condition_at=at(condition), notified_at=at(told), **(values | update))


@pytest.mark.parametrize(
    ("instants", "parts"),
    [
        (
            (10, 20, 30, 120, 150),
            {"first bad scrape": 10, "condition": 10, "pending": 10, "firing": 90, "received": 30},
        ),
        # Pending at the evaluation that saw the condition: a part without length, not a gap.
        ((10, 20, 20, 110, 111), {"first bad scrape": 10, "condition": 10, "pending": 0, "firing": 90, "received": 1}),
        # A part with an unknown instant belongs to the next part.
        ((None, 20, 20, 110, 150), {"condition": 20, "pending": 0, "firing": 90, "received": 40}),
        ((None, None, 20, 110, 150), {"pending": 20, "firing": 90, "received": 40}),
        ((10, None, 20, 110, None), {"first bad scrape": 10, "pending": 10, "firing": 90}),
        ((10, 20, 20, None, None), {"first bad scrape": 10, "condition": 10, "pending": 0}),
        # So does an instant out of order: a scrape that was under way when the fault began.
        ((-0.4, 20, 20, 110, 150), {"condition": 20, "pending": 0, "firing": 90, "received": 40}),
        ((10, 25, 20, 110, 150), {"first bad scrape": 10, "condition": 15, "firing": 85, "received": 40}),
    ],
)
def test_the_parts_follow_one_another_from_the_fault_on(
    instants: tuple[float | None, float | None, float, float | None, float | None], parts: dict[str, float]
) -> None:
    cut = _cut(*instants)
    assert {part.name: part.seconds for part in cut} == parts
    assert cut[0].starts_at == START
    for before, after in pairwise(cut):
        assert before.ends_at == after.starts_at


def test_a_query_offset_is_a_part_of_its_own() -> None:
    """Samples carry the instant of the data: an alert fired at 120, was evaluated at 180 and notified 30 s later."""
    cut = _cut(10, 20, 30, 120, 210, timing=Timing(15, 30, 70, query_offset=60))
    assert [(part.name, part.seconds) for part in cut[-3:]] == [("firing", 90), ("evaluated", 60), ("received", 30)]
    assert cut[-2].text == "the group looks 60 s back"


@pytest.mark.parametrize(
    ("expr", "needed", "words"),
    [
        ("queue > 5", (0.0, 0.0), "until the next evaluation, every 30 s"),
        (RATE, None, "until the expression was true"),
        (RATE, (60.0, 60.0), "60 s of the 300 s range had to be bad"),
        (RATE, (58.0, 60.0), "60 s of the 300 s range had to be bad"),
        (RATE, (6.0, 60.0), "6 to 60 s of the 300 s range had to be bad"),
        (RATE, (0.0, 60.0), "0 to 60 s of the 300 s range had to be bad"),
    ],
)
def test_the_condition_part_names_what_it_needed(expr: str, needed: tuple[float, float] | None, words: str) -> None:
    onset = Onset(classify(expr), START + 10, needed)
    (part,) = (one for one in _cut(10, 20, 30, 120, 150, onset=onset) if one.name == "condition")
    assert part.text == words


def test_every_other_part_names_its_wait() -> None:
    route = Route("pager", timedelta(seconds=30), timedelta(minutes=5))
    texts = {part.name: part.text for part in _cut(10, 20, 30, 120, 150, route=route)}
    assert texts == {
        "first bad scrape": "until the service showed it and was scraped, every 15 s",
        "condition": "until the next evaluation, every 30 s",
        "pending": "evaluated every 30 s",
        "firing": "`for` 70 s in whole evaluations: 90 s",
        "received": "group_wait 30 s, or group_interval 300 s where the group was known",
    }
    assert _cut(10, 20, 30, 120, 150)[-1].text == "until Alertmanager's call arrived"


def test_the_longest_part_is_named_first_and_one_of_no_length_not_at_all() -> None:
    parts = tuple(
        Span(name, START, START + seconds, f"why {name}")
        for name, seconds in (("a", 10.0), ("b", 0.04), ("c", 90.0), ("d", 0.06), ("e", 10.0))
    )
    assert longest(parts) == (
        "90.0 s until c (why c), 10.0 s until a (why a), 10.0 s until e (why e), 0.1 s until d (why d)"
    )
    assert longest(()) == ""


@pytest.mark.parametrize(
    ("looks_back", "outcome"), [(0, VerdictOutcome.PASSED), (34, VerdictOutcome.PASSED), (36, VerdictOutcome.LATE)]
)
def test_the_drill_s_budget_ends_when_the_alert_fires_and_not_at_its_data(
    passed: Recording, looks_back: float, outcome: VerdictOutcome
) -> None:
    """It fired by its data at +15.2 s, and 50 s are allowed."""
    record = passed.watched[0].model_copy(update={"query_offset_seconds": looks_back})
    told = [
        one.model_copy(update={"received_at": one.received_at + looks_back, "starts_at": one.starts_at + looks_back})
        for one in passed.notifications
    ]
    recording = passed.model_copy(
        update={"watched": [record], "notifications": told, "ended_at": passed.ended_at + looks_back}
    )
    verdict = judge(recording).verdicts[0]
    assert verdict.outcome is outcome, verdict.reason
    if outcome is VerdictOutcome.LATE:
        assert verdict.reason.startswith("fired 51.2 s after the fault, the drill allows 50 s: 36.0 s until evaluated")
