"""Why an alert stayed silent, by a table: each case breaks one link, and the reason names it."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, PartRecord, SeriesRecord, TargetRecord, WatchedRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, Finding, VerdictOutcome

# The fault begins at evaluation 30 and ends with evaluation 89; there are 140, one a second.
COUNT, FAULT, HEALED = 140, 30, 90


def _series(labels: dict[str, str], during: float | None, before: float | None = 1.0) -> SeriesRecord:
    values = [during if FAULT <= number < HEALED else before for number in range(COUNT)]
    return SeriesRecord(labels=labels, first=0, values=values)


def _part(expr: str, *series: SeriesRecord, error: str = "") -> PartRecord:
    return PartRecord(expr=expr, series=list(series), total=len(series), error=error)


def _found(recording: Recording, expr: str, parts: list[PartRecord], **update: Any) -> Finding:
    """Judge a silent alert of another expression."""
    rule = recording.rules[0].model_copy(update={"expr": expr} | update.pop("rule", {}))
    (old,) = recording.watched
    record = WatchedRecord(
        alert=rule.alert,
        group=rule.group,
        file=rule.file,
        first_at=old.first_at,
        interval_seconds=1,
        count=COUNT,
        parts=parts,
        near_names=update.pop("near_names", {}),
    )
    changed = recording.model_copy(update={"rules": [rule], "watched": [record], "alerts": []} | update)
    verdict = judge(changed).verdicts[0]
    assert verdict.outcome is VerdictOutcome.MISSED
    assert verdict.finding is not None
    assert verdict.reason == verdict.finding.sentence
    return verdict.finding


def test_absent_series_are_reported_with_similar_names(missed: Recording) -> None:
    parts = [_part("queue_lenght > 5"), _part("queue_lenght")]
    finding = _found(missed, "queue_lenght > 5", parts, near_names={"queue_lenght": ["queue_length"]})
    assert finding.link is ChainLink.SERIES_ABSENT
    assert finding.sentence == "there is no series queue_lenght, did you mean queue_length?"


def test_the_matcher_that_leaves_nothing_is_named(missed: Recording) -> None:
    parts = [
        _part('queue{job="shpo", env="prod"} > 5'),
        _part('queue{job="shpo", env="prod"}'),
        _part("queue", _series({"job": "shop", "env": "prod"}, 9)),
        _part('queue{env="prod"}', _series({"job": "shop", "env": "prod"}, 9)),
        _part('queue{job="shpo"}'),
    ]
    finding = _found(missed, 'queue{job="shpo", env="prod"} > 5', parts)
    assert finding.link is ChainLink.NOTHING_MATCHES
    assert finding.sentence == "no series queue has job=\"shpo\": it has 'shop'"


def test_series_that_went_away_with_their_target_are_stale(missed: Recording) -> None:
    labels = {"__name__": "queue", "job": "shop", "instance": "shop:80"}
    instants = [missed.started_at + 0.1 + number for number in range(COUNT)]
    target = TargetRecord(
        job="shop",
        instance="shop:80",
        interval_seconds=1,
        timeout_seconds=1,
        instants=instants,
        up=[0 if FAULT <= number < HEALED else 1 for number in range(COUNT)],
        durations_seconds=[0.01] * COUNT,
    )
    gone = _part("queue", _series(labels, None))
    finding = _found(missed, "queue > 5", [_part("queue > 5"), gone], targets=[target])
    assert finding.link is ChainLink.SERIES_STALE
    assert finding.sentence == "queue was gone from +0.2 s on: shop:80 of job shop could not be scraped, first +0.1 s"


def test_sides_without_a_pair_name_the_labels_that_differ(missed: Recording) -> None:
    expr = "failed / handled > 0.1"
    parts = [
        _part(expr),
        _part("failed / handled"),
        _part("failed", _series({"__name__": "failed", "job": "shop", "code": "500"}, 9)),
        _part("handled", _series({"__name__": "handled", "job": "shop"}, 9)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NO_PAIR
    assert "code is '500' on the left and absent on the right" in finding.sentence


def test_a_value_that_never_crossed_stands_beside_its_threshold(missed: Recording) -> None:
    finding = _found(missed, "queue < 5", [_part("queue < 5"), _part("queue", _series({}, 7.25, 50))])
    assert finding.link is ChainLink.NEVER_CROSSED
    assert finding.sentence == "never crossed: smallest value 7.25, at +0.2 s; it fires at < 5"


def test_a_range_reports_how_much_of_it_had_to_be_bad(missed: Recording) -> None:
    """10 events a second for 60 s of a range of 200 s are 3 a second; 5 need 100 s."""
    expr = "rate(failed_total[200s]) > 5"
    counter = [max(min(number, HEALED) - FAULT, 0) * 10.0 for number in range(COUNT)]
    rate = [value / 200 for value in counter]
    parts = [
        _part(expr),
        _part("rate(failed_total[3m20s])", SeriesRecord(labels={}, first=0, values=[*rate])),
        _part("failed_total", SeriesRecord(labels={}, first=0, values=[*counter])),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NEVER_CROSSED
    assert "largest value 3" in finding.sentence
    assert "at least 100 s of the 200 s range must be bad, and the fault lasted 60 s" in finding.sentence


def test_of_several_conditions_the_one_that_never_held_is_named(missed: Recording) -> None:
    expr = "queue > 5 and on (job) workers < 2"
    parts = [
        _part(expr),
        _part("queue > 5", _true((35, 60))),
        _part("queue", _series({}, 9)),
        _part("workers < 2"),
        _part("workers", _series({}, 3, 8)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NEVER_CROSSED
    assert finding.sentence == (
        "`workers < 2`, which the alert needs, never crossed: smallest value 3, at +0.2 s; it fires at < 2"
    )


def test_conditions_that_were_never_true_at_once_are_both_named(missed: Recording) -> None:
    expr = "queue > 5 and on (job) workers < 2 unless maintenance == 1"
    parts = [
        _part(expr),
        _part("queue > 5", _true((35, 60))),
        _part("queue", _series({}, 9)),
        _part("workers < 2", _true((70, 80))),
        _part("workers", _series({}, 1)),
        _part("maintenance", _series({}, 0, 0)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NEVER_TRUE
    assert finding.sentence == (
        "`queue > 5` and `workers < 2` were true, but never at one evaluation and with labels that agree"
    )


def test_a_missing_rule_is_reported_with_similar_names(missed: Recording) -> None:
    rules = [rule.model_copy(update={"alert": "OrdersSlower"}) for rule in missed.rules]
    finding = judge(missed.model_copy(update={"rules": rules})).verdicts[0].finding
    assert finding == Finding(ChainLink.NO_RULE, "no rule makes OrdersSlow, did you mean OrdersSlower?")


def test_a_value_without_any_counts_is_reported(missed: Recording) -> None:
    expr = "failed / handled > 0.1"
    nan = _series({"job": "shop"}, float("nan"), float("nan"))
    sides = [_part("failed", _series({"job": "shop"}, 0, 0)), _part("handled", _series({"job": "shop"}, 0, 0))]
    finding = _found(missed, expr, [_part(expr), _part("failed / handled", nan), *sides])
    assert finding.link is ChainLink.NEVER_CROSSED
    assert finding.sentence.startswith("its value was NaN throughout")


def _pending(recording: Recording, *stretches: tuple[int, int]) -> list[AlertSamples]:
    first = recording.watched[0].first_at
    labels = {"alertname": "OrdersSlow", "severity": "page"}
    instants = [first + number for begin, end in stretches for number in range(begin, end)]
    return [AlertSamples(labels=labels, state="pending", instants=instants)]


def _true(*stretches: tuple[int, int]) -> SeriesRecord:
    values = [9.0 if any(begin <= n < end for begin, end in stretches) else None for n in range(COUNT)]
    first = min(begin for begin, _ in stretches)
    return SeriesRecord(labels={}, first=first, values=values[first:])


def test_an_alert_reset_while_pending_reports_each_stretch(missed: Recording) -> None:
    stretches = (35, 40), (50, 57)
    parts = [_part("queue > 5", _true(*stretches)), _part("queue", _series({}, 3, 1))]
    finding = _found(missed, "queue > 5", parts, alerts=_pending(missed, *stretches))
    assert finding.link is ChainLink.BROKEN_OFF
    assert "pending for 7.0 s at the longest, its `for` is 10 s" in finding.sentence
    assert finding.evidence == (
        "pending from +5.2 s for 5.0 s, until its value was 3",
        "pending from +20.2 s for 7.0 s, until its value was 3",
    )


def test_an_alert_pending_at_the_end_reports_how_much_longer_it_needed(missed: Recording) -> None:
    parts = [_part("queue > 5", _true((132, COUNT))), _part("queue", _series({}, 9, 9))]
    finding = _found(missed, "queue > 5", parts, alerts=_pending(missed, (132, COUNT)))
    assert finding.link is ChainLink.STILL_PENDING
    assert "for 7.0 s, its `for` is 10 s, so it needed 3.0 s more" in finding.sentence


def test_a_rule_that_cannot_be_evaluated_has_the_message_of_prometheus(missed: Recording) -> None:
    failing = {"health": "err", "last_error": "many-to-many matching not allowed"}
    finding = _found(missed, "queue > 5", [_part("queue > 5")], rule=failing)
    assert finding.link is ChainLink.EVALUATION_FAILED
    assert finding.sentence == "Prometheus cannot evaluate the rule: many-to-many matching not allowed"


def test_an_expression_beyond_the_parser_is_judged_by_its_samples(missed: Recording) -> None:
    expr = "rate(queue[5m + 1m]) > 5"
    finding = _found(missed, expr, [_part(expr)])
    assert finding == Finding(
        ChainLink.NEVER_TRUE, "its expression was never true, and cannot be taken apart to see why"
    )


@pytest.mark.parametrize("seen", [1, 12])
def test_a_true_condition_without_an_alert_is_the_fault_of_the_engine(missed: Recording, seen: int) -> None:
    scraped = {"job": "orders", "instance": "shop:80"}
    true = _true((40, 40 + seen)).model_copy(update={"labels": scraped})
    finding = _found(missed, "queue > 5", [_part("queue > 5", true), _part("queue", _series(scraped, 9, 1))])
    assert finding.link is ChainLink.NEVER_PENDING
    assert f"true from +10.2 s on (9 > 5), at {seen} evaluation(s)" in finding.sentence


def test_a_moment_that_an_evaluation_may_have_missed_is_not_the_fault_of_the_engine(missed: Recording) -> None:
    parts = [_part("queue > 5", _true((40, 41))), _part("queue", _series({}, 9, 1))]
    finding = _found(missed, "queue > 5", parts)
    assert finding.link is ChainLink.NEVER_TRUE
    assert finding.sentence.startswith("true for a moment at +10.2 s")
