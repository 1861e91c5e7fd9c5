"""Why an alert stayed silent, by a table: each case breaks one link, and the reason names it."""

from __future__ import annotations

from collections.abc import Callable
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
        sample_ages=update.pop("sample_ages", {}),
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


def test_two_values_that_are_compared_stand_beside_each_other(missed: Recording) -> None:
    expr = "sum by (pool) (used) > most"
    parts = [
        _part(expr),
        _part("sum by (pool) (used)", _series({"pool": "a"}, 31, 6), _series({"pool": "b"}, 1, 1)),
        _part("most", _series({"pool": "a"}, 32, 32), _series({"pool": "b"}, 32, 32)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NEVER_CROSSED
    assert finding.sentence == (
        "never crossed: nearest at +0.2 s, 31 on the left and 32 on the right; it fires at left > right"
    )


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


QUEUE = {"__name__": "queue", "job": "shop", "instance": "shop:80"}


def _target(recording: Recording, up: Callable[[int], bool], count: int = COUNT, **update: Any) -> TargetRecord:
    """Return a target that is scraped once a second, a tenth of a second before each evaluation."""
    values = {
        "job": "shop",
        "instance": "shop:80",
        "interval_seconds": 1,
        "timeout_seconds": 1,
        "instants": [recording.started_at + 0.1 + number for number in range(count)],
        "up": [int(up(number)) for number in range(count)],
        "durations_seconds": [0.01] * count,
    }
    return TargetRecord.model_validate(values | update)


def _rate(*series: SeriesRecord) -> list[PartRecord]:
    expr = "sum(rate(queue[5s])) > 1"
    return [_part(expr), _part("sum(rate(queue[5s]))", _series({}, None, 0)), _part("queue", *series)]


def test_series_in_a_range_whose_scrapes_failed_are_stale_whatever_their_last_value(missed: Recording) -> None:
    """A scrape with too many samples fails, and its series keep their last value for the whole lookback."""
    error = "sample limit exceeded"
    down = _target(missed, lambda number: not FAULT < number < HEALED, last_error=error)
    finding = _found(missed, "sum(rate(queue[5s])) > 1", _rate(_series(QUEUE, 0, 0)), targets=[down])
    assert finding.link is ChainLink.SERIES_STALE
    assert finding.sentence == (
        "queue had no new sample for most of the fault: shop:80 of job shop could not be scraped, first +1.1 s:"
        " sample limit exceeded"
    )


def test_a_few_failed_scrapes_do_not_make_series_stale(missed: Recording) -> None:
    down = _target(missed, lambda number: not FAULT < number < FAULT + 10)
    finding = _found(missed, "sum(rate(queue[5s])) > 1", _rate(_series(QUEUE, 0, 0)), targets=[down])
    assert finding.link is ChainLink.NEVER_CROSSED


def test_a_target_that_left_its_discovery_is_named(missed: Recording) -> None:
    gone = _target(missed, lambda _: True, count=FAULT + 10)
    parts = [_part("queue > 5"), _part("queue", _series(QUEUE, None))]
    finding = _found(missed, "queue > 5", parts, targets=[gone])
    assert finding.link is ChainLink.SERIES_STALE
    assert finding.sentence.endswith(
        "shop:80 of job shop was scraped last at +9.1 s: after that it was not a target of Prometheus any more"
    )


def test_a_scrape_interval_above_the_lookback_is_the_cause_of_the_gaps(missed: Recording) -> None:
    prometheus = missed.prometheus.model_copy(update={"lookback_seconds": 4})
    slow = _target(missed, lambda _: True, interval_seconds=7)
    stretches = (35, 39), (42, 46)
    true = _true(*stretches).model_copy(update={"labels": QUEUE})
    parts = [_part("queue > 5", true), _part("queue", true)]
    alerts = [one.model_copy(update={"labels": one.labels | QUEUE}) for one in _pending(missed, *stretches)]
    finding = _found(missed, "queue > 5", parts, alerts=alerts, targets=[slow], prometheus=prometheus)
    assert finding.link is ChainLink.BROKEN_OFF
    assert finding.sentence.endswith(
        "its `for` is 10 s: the scrape interval of 7 s is longer than Prometheus' lookback of 4 s, so its series have no"
        " value for the rest of each interval"
    )


def test_a_range_shorter_than_the_scrape_interval_never_has_two_samples(missed: Recording) -> None:
    slow = _target(missed, lambda _: True, interval_seconds=15)
    parts = [_part("rate(queue[10s]) > 1"), _part("rate(queue[10s])"), _part("queue", _series(QUEUE, 9, 0))]
    finding = _found(missed, "rate(queue[10s]) > 1", parts, targets=[slow])
    assert finding.sentence == (
        "it can never be true: rate() needs two samples, and its range of 10 s has one at most:"
        " the scrape interval is 15 s"
    )
    assert finding.is_structural


@pytest.mark.parametrize("function", ["increase", "rate"])
def test_the_first_event_of_a_new_series_is_not_seen_by_a_rate(missed: Recording, function: str) -> None:
    expr = f"{function}(errors_total[10s]) > 0"
    new = SeriesRecord(labels={"__name__": "errors_total", "kind": "disk"}, first=31, values=[1.0] * (COUNT - 31))
    grown = SeriesRecord(labels={}, first=32, values=[0.0] * (COUNT - 32))
    parts = [_part(expr), _part(f"{function}(errors_total[10s])", grown), _part("errors_total", new)]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NEVER_CROSSED
    assert finding.sentence.endswith(
        f'errors_total{{kind="disk"}} appeared at +1.2 s with 1, and {function}() needs a sample before it:'
        " it never sees the first event of a series that is new"
    )


def test_a_first_event_that_would_not_have_been_enough_is_not_the_cause(missed: Recording) -> None:
    expr = "increase(errors_total[10s]) > 5"
    new = SeriesRecord(labels={"__name__": "errors_total"}, first=31, values=[1.0] * (COUNT - 31))
    grown = SeriesRecord(labels={}, first=32, values=[0.0] * (COUNT - 32))
    parts = [_part(expr), _part("increase(errors_total[10s])", grown), _part("errors_total", new)]
    assert "appeared" not in _found(missed, expr, parts).sentence


def test_several_new_series_count_together(missed: Recording) -> None:
    expr = "sum(increase(errors_total[10s])) > 1"
    new = [
        SeriesRecord(labels={"__name__": "errors_total", "kind": kind}, first=31, values=[1.0] * (COUNT - 31))
        for kind in ("disk", "network")
    ]
    grown = SeriesRecord(labels={}, first=32, values=[0.0] * (COUNT - 32))
    parts = [_part(expr), _part("sum(increase(errors_total[10s]))", grown), _part("errors_total", *new)]
    assert 'errors_total{kind="disk"} (and 1 more) appeared at +1.2 s with 1' in _found(missed, expr, parts).sentence


def test_an_offset_that_looks_past_the_fault_is_named(missed: Recording) -> None:
    expr = "queue offset 5m > 5"
    finding = _found(missed, expr, [_part(expr), _part("queue offset 5m", _series({}, 1))])
    assert finding.sentence.endswith("; it looks 300 s back (`offset`), and the fault lasted 60 s")


def test_a_fault_between_two_scrapes_is_not_seen(missed: Recording) -> None:
    slow = _target(missed, lambda _: True, count=2, instants=[missed.started_at, missed.started_at + 100])
    parts = [_part("queue > 5"), _part("queue", _series(QUEUE, 1))]
    finding = _found(missed, "queue > 5", parts, targets=[slow.model_copy(update={"interval_seconds": 100})])
    assert finding.sentence.endswith(
        "no scrape came while the fault lasted: it lasted 60 s, and the scrape interval is 100 s"
    )


def test_series_that_their_target_shows_no_more_are_told_from_failed_scrapes(missed: Recording) -> None:
    parts = [_part("queue > 5"), _part("queue", _series(QUEUE, None))]
    finding = _found(missed, "queue > 5", parts, targets=[_target(missed, lambda _: True)])
    assert finding.sentence == (
        "queue was gone from +0.2 s on: shop:80 of job shop was scraped all the while, without it"
    )
    seldom = [one for one in range(COUNT) if one < FAULT or one % 3 == 0]
    late = _target(
        missed, lambda _: True, count=len(seldom), instants=[missed.started_at + 0.1 + one for one in seldom]
    )
    assert _found(missed, "queue > 5", parts, targets=[late]).sentence == "queue was gone from +0.2 s on"


def test_a_name_that_prometheus_knows_is_not_proposed_for_itself(missed: Recording) -> None:
    near = {"queue": ["queue", "queues"]}
    finding = _found(missed, "queue > 5", [_part("queue > 5"), _part("queue")], near_names=near)
    assert finding.link is ChainLink.SERIES_ABSENT
    assert "did you mean" not in finding.sentence
    assert finding.sentence.startswith("there is no series queue, though Prometheus knows the name")


def test_samples_with_old_timestamps_of_their_own_are_named(missed: Recording) -> None:
    prometheus = missed.prometheus.model_copy(update={"lookback_seconds": 300})
    parts = [_part("queue > 5"), _part("queue")]
    finding = _found(missed, "queue > 5", parts, sample_ages={"queue": 600.4}, prometheus=prometheus)
    assert finding.link is ChainLink.SERIES_STALE
    assert finding.sentence == (
        "queue has samples, but no evaluation sees them: the newest was 600 s old at the end of the drill, older than"
        " Prometheus' lookback of 300 s; its exporter sends timestamps of its own (`honor_timestamps: false` ignores"
        " them)"
    )
    assert finding.is_structural


def test_conditions_whose_labels_do_not_agree_name_the_label_that_has_the_value(missed: Recording) -> None:
    expr = "queue > 5 and on (namespace) window == 0"
    parts = [
        _part(expr),
        _part("queue > 5", _true((35, 60)).model_copy(update={"labels": {"namespace": "shop", "pod": "a"}})),
        _part("queue", _series({"namespace": "shop", "pod": "a"}, 9)),
        _part("window == 0", _series({"exported_namespace": "shop"}, 0, 0)),
        _part("window", _series({"exported_namespace": "shop"}, 0, 0)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NO_PAIR
    assert finding.sentence == (
        "the sides of `and` have no labels in common to pair by: namespace is 'shop' on the left and absent"
        " (which has it as exported_namespace) on the right"
    )
    assert finding.is_structural


def test_values_that_differ_may_agree_another_time(missed: Recording) -> None:
    expr = "failed / handled > 0.1"
    sides = _part("failed", _series({"job": "a"}, 9)), _part("handled", _series({"job": "b"}, 9))
    finding = _found(missed, expr, [_part(expr), _part("failed / handled"), *sides])
    assert (finding.link, finding.is_structural) == (ChainLink.NO_PAIR, False)


def test_what_unless_excluded_is_named(missed: Recording) -> None:
    expr = "queue > 5 unless on (job) maintenance"
    maintenance = _part("maintenance", _series({"job": "shop"}, 1, 1))
    finding = _found(missed, expr, [_part(expr), _part("queue > 5", _labelled((35, 60))), maintenance])
    assert finding.link is ChainLink.NEVER_TRUE
    assert finding.sentence == "`queue > 5` was true from +5.2 s on, but `unless maintenance` excluded it"


def _labelled(*stretches: tuple[int, int]) -> SeriesRecord:
    return _true(*stretches).model_copy(update={"labels": QUEUE})


def test_each_side_of_or_has_its_own_reason(missed: Recording) -> None:
    expr = "queue > 5 or workers < 2"
    parts = [
        _part(expr),
        _part("queue > 5"),
        _part("queue", _series({}, 3)),
        _part("workers < 2"),
        _part("workers", _series({}, 4, 8)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.sentence == (
        "no side of `or` was true: `queue > 5`: never crossed: largest value 3, at +0.2 s; it fires at > 5;"
        " `workers < 2`: never crossed: smallest value 4, at +0.2 s; it fires at < 2"
    )


def test_a_constant_beside_or_does_not_hide_a_missing_series(missed: Recording) -> None:
    expr = "(failed / handld) or vector(0) >= 0.05"
    parts = [
        _part(expr),
        _part("(failed / handld)"),
        _part("failed / handld"),
        _part("vector(0) >= 0.05"),
        _part("failed", _series({}, 9)),
        _part("handld"),
    ]
    finding = _found(missed, expr, parts, near_names={"handld": ["handled"]})
    assert finding.link is ChainLink.SERIES_ABSENT
    assert finding.sentence == (
        "there is no series handld, did you mean handled?; and in `or vector(0) >= 0.05` the comparison belongs to"
        " `vector(0)` alone: `(… or vector(0)) >= 0.05` compares both sides"
    )


def test_a_constant_inside_a_comparison_does_not_hide_a_wrong_matcher(missed: Recording) -> None:
    expr = '(sum(rate(failed{code="5xx"}[5s])) or vector(0)) > 5'
    value = '(sum(rate(failed{code="5xx"}[5s])) or vector(0))'
    parts = [
        _part(expr),
        _part(value, _series({}, 0, 0)),
        _part('failed{code="5xx"}'),
        _part("failed", _series({"code": "500"}, 9)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NOTHING_MATCHES
    assert finding.sentence == "no series failed has code=\"5xx\": it has '500'"


BUCKETS = [{"__name__": "seconds_bucket", "job": "shop", "le": bound} for bound in ("1", "5", "+Inf")]


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        (
            "histogram_quantile(0.95, sum by (job) (rate(seconds_bucket[5s]))) > 1",
            "`sum by (job) (rate(seconds_bucket[5s]))` has no label `le`, and a quantile without bounds has no result",
        ),
        (
            "histogram_quantile(0.9, sum without (le) (rate(seconds_bucket[5s]))) > 1",
            "`sum without (le) (rate(seconds_bucket[5s]))` has no label `le`",
        ),
        (
            "histogram_quantile(0.95, rate(seconds_bucket[5s])) > 8",
            "no quantile exceeds the largest bound 5 of its buckets, and it fires at > 8",
        ),
        ("count(up == 1) == 0", "so `== 0` never holds"),
        ("rate(queue[5s]) < 0", "so `< 0` never holds"),
        ("avg(up) > 1", "so `> 1` never holds"),
        ("avg_over_time(up[5m]) > 1", "so `> 1` never holds"),
        ("queue > 5 and queue < 3", "never hold at once"),
        ("queue > 5 unless queue > 2", "`unless` leaves out all that `queue > 5` finds"),
        ("vector(1) > 2", "so `> 2` never holds"),
    ],
)
def test_an_expression_that_is_never_true_by_its_own_form_is_named(missed: Recording, expr: str, says: str) -> None:
    parts = [
        _part(expr),
        _part("seconds_bucket", *(_series(labels, 9) for labels in BUCKETS)),
        _part("queue", _series(QUEUE, 9)),
        _part("up", _series({"job": "shop"}, 1, 1)),
    ]
    finding = _found(missed, expr, parts)
    assert finding.link is ChainLink.NEVER_TRUE
    assert finding.sentence.startswith("it can never be true: ")
    assert says in finding.sentence
    assert finding.is_structural


@pytest.mark.parametrize(
    "expr",
    [
        "histogram_quantile(0.95, sum by (job, le) (rate(seconds_bucket[5s]))) > 1",
        "histogram_quantile(0.95, sum by (job) (rate(native_seconds[5s]))) > 1",
        "histogram_quantile(0.95, rate(seconds_bucket[5s])) > 4",
        "count(up == 1) < 2",
        "count(up == 1) > 0",
        "rate(queue[5s]) <= 0",
        "up == 0",
        "queue > 5 and queue < 8",
        "queue > 5 and on (job) queue < 3",
        "hour() > 22",
    ],
)
def test_an_expression_that_may_be_true_is_not_blamed_for_its_form(missed: Recording, expr: str) -> None:
    parts = [_part(expr), _part("seconds_bucket", *(_series(labels, 9) for labels in BUCKETS))]
    assert not _found(missed, expr, parts).is_structural


def test_a_value_that_was_mostly_no_number_says_so(missed: Recording) -> None:
    expr = "failed / handled > 0.1"
    values = [0.01] * FAULT + [0.02] * 10 + [float("nan")] * (COUNT - FAULT - 10)
    ratio = SeriesRecord(labels={}, first=0, values=[*values])
    sides = [_part("failed", _series({}, 0, 0)), _part("handled", _series({}, 0, 0))]
    finding = _found(missed, expr, [_part(expr), _part("failed / handled", ratio), *sides])
    assert finding.sentence.endswith("it fires at > 0.1; it was NaN at 100 of 110 evaluations")


def test_a_missing_rule_is_reported_with_similar_names(missed: Recording) -> None:
    rules = [rule.model_copy(update={"alert": "OrdersSlower"}) for rule in missed.rules]
    finding = judge(missed.model_copy(update={"rules": rules})).verdicts[0].finding
    sentence = "no rule makes OrdersSlow, did you mean OrdersSlower?"
    assert finding == Finding(ChainLink.NO_RULE, sentence, is_structural=True)


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
