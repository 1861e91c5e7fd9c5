"""How a fault began to show in the series of an alert, by tables; one evaluation a second, from START + 0.2 s on.

Instants are seconds after START. The fault lasts from 30 to 60; each scrape is a tenth of a second before an
evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import PartRecord, SeriesRecord, TargetRecord
from alertdrill.agent.rules.shape import Levels
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.evaluations import RuleEvaluations
from alertdrill.agent.verdict.onset import Onset, onset
from tests.support.one_rule import QUEUE, START, part, rule, target, watched

SECONDS, FAULT, HEALED = 90, 30.0, 60.0
SHOP = {"job": "shop", "instance": "shop:80"}
BANK = {"job": "shop", "instance": "bank:80"}


def _counter(good: float, bad: float, labels: dict[str, str] = SHOP, *, starts: float = 0.0) -> SeriesRecord:
    """Return a counter with one rate before and another during the fault, per second."""
    counted, values = starts, list[float | None]()
    for number in range(SECONDS):
        values.append(counted)
        # The evaluation at 30.2 is the first after the fault: it shows the events since 29.2.
        counted += bad if FAULT <= number + 1 < HEALED else good
    return SeriesRecord(labels=labels, first=0, values=values)


def _level(curve: Callable[[int], float | None], labels: dict[str, str] = QUEUE) -> SeriesRecord:
    return SeriesRecord(labels=labels, first=0, values=[curve(number) for number in range(SECONDS)])


def _onset(
    passed: Recording,
    expr: str,
    parts: dict[str, list[SeriesRecord]],
    *targets: TargetRecord,
    labels: dict[str, str] = SHOP,
    **update: Any,
) -> Onset:
    """Return the onset for an alert of an expression, with the other parts by their text."""
    found: list[PartRecord] = [part(text, *series, **update) for text, series in parts.items()]
    record = watched("F" * SECONDS, expr=expr, parts=found if expr in parts else [part(expr), *found])
    changed: dict[str, Any] = {"targets": list(targets or [target(SECONDS)]), "watched": [record], "groups": []}
    recording = passed.model_copy(update=changed | {"started_at": START, "ended_at": START + SECONDS})
    return onset(RuleEvaluations(recording, record), labels, START + FAULT, START + HEALED)


def _first_bad(found: Onset) -> float | None:
    return None if found.first_bad_at is None else round(found.first_bad_at - START, 6)


@pytest.mark.parametrize(
    ("failed", "took", "first_bad"),
    [
        ([31, 32], 0.01, 31.1),
        # A scrape that failed before the fault does not count.
        ([20, 40], 0.01, 40.1),
        ([], 0.01, None),
        # A scrape carries the instant at which it began: one under way when the fault began may be the first to fail.
        ([29, 31], 0.89, 31.1),
        ([29, 31], 0.91, 29.1),
        ([28, 29], 1.95, 28.1),
    ],
)
@pytest.mark.parametrize("expr", ["up == 0", 'absent(up{job="shop"})'])
def test_a_target_that_is_down_shows_with_its_first_failed_scrape(
    passed: Recording, expr: str, failed: list[int], took: float, first_bad: float | None
) -> None:
    up = [0 if number in failed else 1 for number in range(SECONDS)]
    selector = "up" if expr == "up == 0" else 'up{job="shop"}'
    found = _onset(passed, expr, {selector: [_level(lambda _: 1.0, SHOP)]}, target(SECONDS, took, up=up))
    assert (_first_bad(found), found.bad_seconds) == (first_bad, (0.0, 0.0))


@pytest.mark.parametrize(
    ("labels", "first_bad"),
    [(SHOP, 40.1), (BANK, 35.1), ({"job": "shop"}, 35.1), ({}, 35.1), ({"job": "bank"}, None)],
)
def test_only_scrapes_of_targets_that_the_alert_is_of_count(
    passed: Recording, labels: dict[str, str], first_bad: float | None
) -> None:
    def scraped(down: int, **update: Any) -> TargetRecord:
        return target(SECONDS, up=[int(number != down) for number in range(SECONDS)], **update)

    parts = {"up": [_level(lambda _: 1.0, SHOP), _level(lambda _: 1.0, BANK)]}
    targets = [scraped(40), scraped(35, instance="bank:80")]
    assert _first_bad(_onset(passed, "up == 0", parts, *targets, labels=labels)) == first_bad


@pytest.mark.parametrize(
    ("curve", "first_bad"),
    [
        # True from the evaluation at 33.2 on, which saw the scrape at 33.1.
        (lambda n: 9.0 if n >= 33 else None, 33.1),
        # Results from before the fault do not count.
        (lambda n: 9.0 if n in {10, 40} else None, 40.1),
        (lambda n: 9.0 if n == 29 else None, None),
        (lambda n: 9.0 if n == 30 else None, 30.1),
        (lambda _: None, None),
    ],
)
def test_a_gauge_shows_with_the_scrape_that_the_first_true_evaluation_saw(
    passed: Recording, curve: Callable[[int], float | None], first_bad: float | None
) -> None:
    parts = {"queue > 5": [_level(curve)], "queue": [_level(lambda _: 1.0)]}
    found = _onset(passed, "queue > 5", parts, labels=QUEUE)
    assert (_first_bad(found), found.bad_seconds) == (first_bad, (0.0, 0.0))


def test_a_gauge_s_scrape_is_of_its_own_target(passed: Recording) -> None:
    """The other target is scraped 50 ms later, so nearer to the evaluation."""
    other = target(SECONDS, instance="bank:80", instants=[0.15 + number for number in range(SECONDS)])
    both = [_level(lambda _: 1.0), _level(lambda _: 1.0, QUEUE | BANK)]
    parts = {"queue > 5": [_level(lambda n: 9.0 if n >= 33 else None)], "queue": both}
    assert _first_bad(_onset(passed, "queue > 5", parts, target(SECONDS), other, labels=QUEUE)) == 33.1
    # If the alert has no label of a target, the newest scrape of all counts.
    of_all = {"queue > 5": [_level(lambda n: 9.0 if n >= 33 else None, {})], "queue": both}
    assert _first_bad(_onset(passed, "queue > 5", of_all, target(SECONDS), other, labels={})) == 33.15


RATIO = "rate(errors_total[20s]) / rate(requests_total[20s]) > 0.25"


def _ratio(bad: float, **update: Any) -> dict[str, list[SeriesRecord]]:
    return {"errors_total": [_counter(0, bad, **update)], "requests_total": [_counter(100, 100, **update)]}


@pytest.mark.parametrize(
    ("bad", "needed"),
    [
        # A quarter of 20 s if every event is bad, a half of it if half of them are.
        (100, (5, 5)),
        (50, (10, 10)),
        (25, None),
        (10, None),
    ],
)
def test_a_ratio_needs_its_threshold_s_share_of_the_range(
    passed: Recording, bad: float, needed: tuple[float, float] | None
) -> None:
    found = _onset(passed, RATIO, _ratio(bad))
    assert _first_bad(found) == 30.1
    assert found.bad_seconds == (None if needed is None else pytest.approx(needed))
    assert found.levels == (Levels(0, bad, 100, 100),)


def _drawn(*rates: tuple[int, float]) -> SeriesRecord:
    """Return a counter with several rates, each until an evaluation."""
    values, until = [0.0], iter(rates)
    last, rate = next(until)
    while len(values) < SECONDS:
        if len(values) > last:
            last, rate = next(until)
        values.append(values[-1] + rate)
    return SeriesRecord(labels=SHOP, first=0, values=list(values))


def test_the_first_interval_may_have_little_of_the_fault(passed: Recording) -> None:
    """The fault began 0.2 s before the evaluation: a fifth of its rate shows there; a twentieth would count as noise."""
    parts = _ratio(0) | {"errors_total": [_drawn((29, 0), (30, 20), (SECONDS, 100))]}
    assert _first_bad(_onset(passed, RATIO, parts)) == 30.1
    parts = _ratio(0) | {"errors_total": [_drawn((29, 0), (32, 5), (SECONDS, 100))]}
    assert _first_bad(_onset(passed, RATIO, parts)) == 33.1


def test_the_rate_of_a_fault_is_read_when_it_shows_fully(passed: Recording) -> None:
    """In the first third of the fault the rate is a tenth of its later value."""
    found = _onset(passed, RATIO, _ratio(0) | {"errors_total": [_drawn((29, 0), (40, 11), (SECONDS, 100))]})
    assert found.levels == (Levels(0, 100, 100, 100),)
    assert (_first_bad(found), found.bad_seconds) == (30.1, pytest.approx((5, 5)))


def test_unsteady_rates_make_a_span(passed: Recording) -> None:
    """5/s in two thirds of the time before, 15/s in the last, then 40/s: 20/s needs (20-e)/(40-e) of 20 s."""
    curve = [min(n, 19) * 5 + max(min(n, 29) - 19, 0) * 15 + max(n - 29, 0) * 40 for n in range(SECONDS)]
    counter = SeriesRecord(labels=SHOP, first=0, values=[float(one) for one in curve])
    found = _onset(passed, "rate(errors_total[20s]) > 20", {"errors_total": [counter]})
    before = [(levels.bad_before, levels.bad_during) for levels in found.levels]
    # Stretches of 9 evaluations, and a last one of 11.
    assert before == list(product((5.0, (10 * 15 + 5) / 11), (40.0,)))
    assert found.bad_seconds == pytest.approx((20 * (20 - 155 / 11) / (40 - 155 / 11), 20 * 15 / 35), rel=0.2)


def test_a_rate_that_falls_needs_the_mirror_of_one_that_rises(passed: Recording) -> None:
    """From 40/s to 10/s: 20/s needs 20 of 30 parts of the range."""
    found = _onset(passed, "rate(sent_total[15s]) < 20", {"sent_total": [_counter(40, 10)]})
    assert _first_bad(found) == 30.1
    assert found.bad_seconds == pytest.approx((10, 10))


@pytest.mark.parametrize(
    ("starts", "needed"),
    [
        # The recording has 30 s of good events when the fault begins, and the range is 60 s. If the counter began
        # with the recording, a tenth needs between 30 * 0.1 and 30 / 9 seconds.
        (0.0, (3.0, 30 / 9)),
        # A counter that began long before may have counted in the half that was not recorded: up to a tenth of 60 s.
        (90_000.0, (3.0, 6.0)),
        # Or it may have counted for ten seconds.
        (1_000.0, (3.0, 40 / 9)),
    ],
)
def test_a_range_that_is_longer_than_the_record_holds_what_was_counted_before_or_not(
    passed: Recording, starts: float, needed: tuple[float, float]
) -> None:
    counters = {"errors_total": [_counter(0, 100)], "requests_total": [_counter(100, 100, starts=starts)]}
    found = _onset(passed, "rate(errors_total[60s]) / rate(requests_total[60s]) > 0.1", counters)
    assert found.bad_seconds == pytest.approx(needed)


def test_a_young_rate_is_of_the_whole_range_still(passed: Recording) -> None:
    """5/s over 60 s are 300: this needs 30 s of 10/s, however young the counter is, if it counted nothing before."""
    expr = "rate(errors_total[60s]) > 5"
    assert _onset(passed, expr, {"errors_total": [_counter(0, 10)]}).bad_seconds == pytest.approx((30, 30))
    found = _onset(passed, expr, {"errors_total": [_counter(2, 10)]}).bad_seconds
    # 300 - 2 * 30 are left for the fault.
    assert found == pytest.approx((24, 24), abs=0.2)


def _buckets(slow: float) -> list[SeriesRecord]:
    """Before the fault all of 100/s are below 0.1 s; during it some of them take between 1 and 3 s."""
    below = {"0.1": 100 - slow, "1": 100 - slow, "3": 100.0, "+Inf": 100.0}
    return [_counter(100, during, SHOP | {"le": bound}) for bound, during in below.items()]


@pytest.mark.parametrize(
    ("bound", "slow", "needed"),
    [
        # The 90 % quantile exceeds 1 s if a tenth of the range is above: 2 s if all are slow, 4 s if half are.
        ("1", 100, 2),
        ("1", 50, 4),
        # Observations are spread evenly within their bucket: half of them are above 2 s.
        ("2", 100, 4),
        ("2", 15, None),
    ],
)
def test_a_quantile_needs_the_share_above_its_bound(
    passed: Recording, bound: str, slow: float, needed: float | None
) -> None:
    expr = f"histogram_quantile(0.9, rate(took_bucket[20s])) > {bound}"
    found = _onset(passed, expr, {"took_bucket": _buckets(slow)})
    assert _first_bad(found) == 30.1
    assert found.bad_seconds == (None if needed is None else pytest.approx((needed, needed)))


@pytest.mark.parametrize(
    ("parts", "update"),
    [
        # Neither series exists, or the series began with the fault: the time before is unknown.
        ({}, {}),
        ({"errors_total": [], "requests_total": [_counter(100, 100)]}, {}),
        (
            {
                "errors_total": [SeriesRecord(labels=SHOP, first=31, values=[1.0, 2.0, 3.0])],
                "requests_total": [_counter(100, 100)],
            },
            {},
        ),
        # A counter was reset.
        (_ratio(100) | {"requests_total": [_counter(-100, 100, starts=9000.0)]}, {}),
        # Only some of the series were kept.
        (_ratio(100), {"total": 51}),
        # Series of another alert.
        (_ratio(100, labels=BANK), {}),
    ],
)
def test_unusable_counters_give_no_onset(
    passed: Recording, parts: dict[str, list[SeriesRecord]], update: dict[str, Any]
) -> None:
    found = _onset(passed, RATIO, parts, **update)
    assert (found.first_bad_at, found.bad_seconds, found.levels) == (None, None, ())


@pytest.mark.parametrize("expr", ["a > b", "avg_over_time(queue[1m]) > 5", "not promql [", "queue > 5 or queue > 7"])
def test_an_expression_without_a_formula_has_no_onset(passed: Recording, expr: str) -> None:
    found = _onset(passed, expr, {"queue": [_level(lambda _: 1.0)]})
    assert (found.first_bad_at, found.bad_seconds) == (None, None)


def test_counters_are_summed_over_the_series_that_the_alert_is_made_of(passed: Recording) -> None:
    """Only the shop fails, but the alert is about both: half of all events are bad, so half of the range must be."""
    parts = {
        "errors_total": [_counter(0, 100), _counter(0, 0, BANK)],
        "requests_total": [_counter(100, 100), _counter(100, 100, BANK)],
    }
    expr = "sum(rate(errors_total[20s])) / sum(rate(requests_total[20s])) > 0.25"
    assert _onset(passed, expr, parts, labels={}).bad_seconds == pytest.approx((10, 10))
    assert _onset(passed, expr, parts, labels=SHOP).bad_seconds == pytest.approx((5, 5))


def test_the_waits_of_a_rule_are_its_own_and_its_slowest_target_s(passed: Recording) -> None:
    record = watched("TT", query_offset_seconds=7)
    targets = [target(3, 0.02), target(3, 0.4, instance="bank:80", interval_seconds=15)]
    queue = part("queue", _level(lambda _: 1.0), _level(lambda _: 1.0, QUEUE | BANK))
    record = record.model_copy(update={"parts": [record.parts[0], queue]})
    evaluations = RuleEvaluations(passed.model_copy(update={"targets": targets}), record)
    of = rule(for_seconds=70, keep_firing_for_seconds=20, interval_seconds=30)
    assert evaluations.timing(of) == Timing(15, 30, 70, 20, 7, 0.4)
