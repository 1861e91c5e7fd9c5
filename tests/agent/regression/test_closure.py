"""What a rule depends on, by tables of rules."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.config.rules import AnyGroup
from alertdrill.agent.regression.closure import Closure, closure, placed, selects
from alertdrill.agent.rules.expression import Anatomy


def _closure(alert: str, **recording: str) -> Closure:
    rules: list[dict[str, Any]] = [
        {"record": name.replace("__", ":"), "expr": expr} for name, expr in recording.items()
    ]
    group = AnyGroup.model_validate({"name": "g", "rules": [*rules, {"alert": "A", "expr": alert}]})
    every = placed("rules.yml", [group])
    return closure([every[-1]], every)


@pytest.mark.parametrize(
    ("expr", "reads"),
    [
        ("queue > 5", {"queue": 300}),
        ('rate(errors{job="a"}[5m]) > 1', {'errors{job="a"}': 300}),
        ("queue offset 1h > 5", {"queue": 3900}),
        ("rate(errors[2m] offset 10m) > 5", {"errors": 720}),
        ("max_over_time(queue[30m:1m]) > 5", {"queue": 30 * 60 + 60 + 300}),
        ("max_over_time(rate(errors[5m])[1h:30s] offset 1m) > 5", {"errors": 3600 + 30 + 60 + 300}),
        ("queue > 5 and rate(queue[10m]) > 0", {"queue": 600}),
        ("a / b > 5", {"a": 300, "b": 300}),
        ("vector(1) > 0", {}),
    ],
)
def test_every_selector_is_read_as_far_back_as_its_ranges_and_offsets_look(expr: str, reads: dict[str, float]) -> None:
    found = _closure(expr)
    assert {str(selector): seconds for selector, seconds in found.reads.items()} == reads
    assert not found.problem


def test_recording_rules_are_followed_and_come_before_their_readers() -> None:
    found = _closure("job:ratio > 0.05", job__errors="sum(rate(errors[5m]))", job__ratio="job:errors offset 1m / all")
    assert [rule.name for rule in found.rules] == ["job:errors", "job:ratio", "A"]
    assert {str(selector): seconds for selector, seconds in found.reads.items()} == {
        "job:ratio": 300,
        "job:errors": 660,
        "all": 600,
        "errors": 960,
    }


def test_rules_that_read_each_other_end() -> None:
    found = _closure("a > 0", a="b offset 1m", b="a offset 1m")
    assert [rule.name for rule in found.rules] == ["b", "a", "A"]


def test_rules_that_nobody_reads_are_left_out() -> None:
    assert [rule.name for rule in _closure("queue > 1", unread="sum(queue)").rules] == ["A"]


def test_only_counters_are_read_as_counters() -> None:
    found = _closure("increase(errors[5m]) > 1 and queue > 5 and max_over_time(queue[5m]) > 6")
    assert [str(selector) for selector in found.counters] == ["errors"]


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("time() - last_run > 60", "reads the clock with time()"),
        ("queue > 5 and on() hour() > 8", "reads the clock with hour()"),
        ("queue @ 1600000000 > 5", "reads one fixed instant with @"),
        ("queue >", "cannot be read here"),
        ("job:late > 5", "job:late reads the clock with timestamp()"),
    ],
)
def test_a_rule_that_depends_on_the_date_is_not_replayed(expr: str, says: str) -> None:
    assert says in _closure(expr, job__late="timestamp(queue)").problem


@pytest.mark.parametrize(
    ("selector", "finds"),
    [
        ("queue", True),
        ('queue{job="shop"}', True),
        ('queue{job!="shop"}', False),
        ('{job=~"s.*"}', True),
        ("other", False),
    ],
)
def test_a_selector_finds_a_series_by_its_labels(selector: str, finds: bool) -> None:  # noqa: FBT001
    (one,) = Anatomy(selector).selectors
    assert selects(one, {"__name__": "queue", "job": "shop"}) is finds
