"""Faults that no transaction feels: a silent alert is missed all the same if something else shows the fault.

The rule is evaluated once a second, 30 times before the fault, 60 times during it and 50 times after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, PartRecord, SeriesRecord, WatchedRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, Verdict, VerdictOutcome

COUNT, FAULT, HEALED = 140, 30, 90
# The value of a series at an evaluation; None where it has none.
Curve = Callable[[int], float | None]


def _step(before: float | None, during: float | None) -> Curve:
    return lambda number: during if FAULT <= number < HEALED else before


def _counter(before: float, during: float, base: float = 1000.0) -> Curve:
    """Count so many events a second before and during the fault."""
    return lambda number: base + before * min(number, FAULT) + during * max(min(number, HEALED) - FAULT, 0)


def _noise(least: float, most: float) -> Curve:
    drawn = random.Random(7)  # noqa: S311 - a curve
    values = [drawn.uniform(least, most) for _ in range(COUNT)]
    return lambda number: values[number]


def _part(expr: str, *curves: Curve) -> PartRecord:
    series = []
    for place, curve in enumerate(curves):
        values = [curve(number) for number in range(COUNT)]
        first = next(number for number, value in enumerate(values) if value is not None)
        series.append(SeriesRecord(labels={"pod": str(place)}, first=first, values=values[first:]))
    return PartRecord(expr=expr, series=series, total=len(series))


def _unfelt(recording: Recording, expr: str, parts: list[PartRecord], **update: Any) -> Recording:
    """Return a drill whose traffic is the same before and during the fault, of another rule, which stays silent."""
    calm = recording.load.seconds[0]
    seconds = [calm.model_copy(update={"at": second.at}) for second in recording.load.seconds]
    rule = recording.rules[0].model_copy(update={"expr": expr})
    (old,) = recording.watched
    record = WatchedRecord(
        alert=rule.alert,
        group=rule.group,
        file=rule.file,
        first_at=old.first_at,
        interval_seconds=1,
        count=COUNT,
        parts=[PartRecord(expr=expr, series=[], total=0), *parts],
    )
    load = recording.load.model_copy(update={"seconds": seconds})
    changes = {"load": load, "rules": [rule], "watched": [record], "alerts": []} | update
    return recording.model_copy(update=changes)


def _verdict(recording: Recording, expr: str, *parts: PartRecord, **update: Any) -> Verdict:
    return judge(_unfelt(recording, expr, list(parts), **update)).verdicts[0]


@pytest.mark.parametrize(
    ("curve", "is_missed"),
    [
        (_step(10, 85), True),
        (_step(10, 19), True),
        (_step(10, 17), False),
        (_step(85, 10), False),
        (_step(10, None), True),
        (_step(None, 20), True),
        # A drift that goes on as before, and a value that always varies, prove nothing.
        (lambda number: 10 + number / 3, False),
        (_noise(10, 60), False),
    ],
)
def test_a_value_that_came_a_tenth_of_the_way_to_its_threshold_shows_the_fault(
    missed: Recording,
    curve: Curve,
    is_missed: bool,  # noqa: FBT001 - of a table
) -> None:
    verdict = _verdict(missed, "disk_percent > 90", _part("disk_percent", curve))
    assert verdict.outcome is (VerdictOutcome.MISSED if is_missed else VerdictOutcome.INCONCLUSIVE)


def test_a_value_that_falls_to_its_threshold_shows_the_fault(missed: Recording) -> None:
    free = _part("free", _step(100, 30))
    assert _verdict(missed, "free < 20", free).outcome is VerdictOutcome.MISSED
    assert _verdict(missed, "free < 20", _part("free", _step(100, 400))).outcome is VerdictOutcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("curve", "is_missed"),
    [
        (_step(6, 31), True),
        (_step(0, 1), True),
        (_step(6, 6.5), False),
        (_counter(5, 10), True),
        (_counter(5, 0), True),
        (_counter(5, 5.5), False),
        (_counter(0, 10, base=1e6), True),
        (_counter(0, 0, base=1e6), False),
        (lambda number: 1_790_000_000.0 + number, False),
        (_noise(0, 5), False),
    ],
)
def test_the_series_of_a_rule_without_a_number_show_the_fault_when_they_change(
    missed: Recording,
    curve: Curve,
    is_missed: bool,  # noqa: FBT001 - of a table
) -> None:
    sides = _part("used", curve, _step(2, 2)), _part("most", _step(32, 32), _step(32, 32))
    verdict = _verdict(missed, "used > most", *sides)
    assert verdict.outcome is (VerdictOutcome.MISSED if is_missed else VerdictOutcome.INCONCLUSIVE)


def test_a_selector_with_a_wrong_matcher_is_told_by_the_series_without_it(missed: Recording) -> None:
    expr = 'sum(rate(failed_total{path="/pay", code="500"}[5s])) > 1'
    parts = [
        _part('sum(rate(failed_total{code="500",path="/pay"}[5s]))'),
        _part('failed_total{path="/pay", code="500"}'),
        _part("failed_total", _counter(20, 20)),
        _part('failed_total{code="500"}', _counter(0, 10)),
    ]
    verdict = _verdict(missed, expr, *parts)
    assert verdict.outcome is VerdictOutcome.MISSED
    assert verdict.finding is not None
    assert verdict.finding.link is ChainLink.NOTHING_MATCHES


def test_a_wrong_matcher_alone_is_told_by_the_other_series_of_its_metric(missed: Recording) -> None:
    parts = [_part('queue{name="pay"}'), _part("queue", _step(2, 80))]
    assert _verdict(missed, 'queue{name="pay"} > 50', *parts).outcome is VerdictOutcome.MISSED
    parts = [_part('queue{name="pay"}'), _part("queue", _step(2, 2))]
    assert _verdict(missed, 'queue{name="pay"} > 50', *parts).outcome is VerdictOutcome.INCONCLUSIVE


def _firing(recording: Recording, *numbers: int) -> list[AlertSamples]:
    at = [recording.watched[0].first_at + number for number in numbers]
    return [AlertSamples(labels={"alertname": "QueueGrows"}, state="firing", instants=at)]


def test_another_alert_that_fires_with_the_fault_shows_it(missed: Recording) -> None:
    still = _part("queue", _step(1, 1))
    at_once = _verdict(missed, "queue > 5", still, alerts=_firing(missed, 40, 41))
    all_along = _verdict(missed, "queue > 5", still, alerts=_firing(missed, 10, 40, 41))
    assert (at_once.outcome, all_along.outcome) == (VerdictOutcome.MISSED, VerdictOutcome.INCONCLUSIVE)
    assert at_once.reason == "never crossed: largest value 1, at +0.2 s; it fires at > 5"


def test_a_rule_that_can_never_fire_is_missed_whatever_the_traffic_shows(missed: Recording) -> None:
    expr = "sum by (pod) (used) > most * 0.8"
    right = PartRecord(
        expr="most * 0.8", series=[SeriesRecord(labels={"server": "a"}, first=0, values=[25.6] * COUNT)], total=1
    )
    verdict = _verdict(missed, expr, _part("sum by (pod) (used)", _step(6, 6)), right)
    assert verdict.outcome is VerdictOutcome.MISSED
    assert "pod is '0' on the left and absent on the right" in verdict.reason


def test_a_drill_may_say_that_its_traffic_shows_nothing(missed: Recording) -> None:
    still = _part("queue", _step(1, 1))
    drill = missed.drill.model_copy(update={"shows": "nothing"})
    assert _verdict(missed, "queue > 5", still, drill=drill).outcome is VerdictOutcome.MISSED


def test_the_reason_of_the_silence_stands_beside_an_inconclusive_verdict(missed: Recording) -> None:
    verdict = _verdict(missed, "queue > 5", _part("queue", _step(1, 1)))
    silence = "never crossed: largest value 1, at +0.2 s; it fires at > 5"
    assert verdict.reason.startswith("the fault had no effect on the traffic")
    assert verdict.explanation == f"{verdict.reason}; why it was silent: {silence}"


def test_what_undermines_several_verdicts_is_told_once(missed: Recording) -> None:
    recording = _unfelt(missed, "queue > 5", [_part("queue", _step(1, 1))])
    values = recording.drill.model_dump(mode="json", by_alias=True)
    values["expect"].append({"alert": "OrdersSlower"})
    rules = [*recording.rules, recording.rules[0].model_copy(update={"alert": "OrdersSlower"})]
    judgement = judge(
        recording.model_copy(update={"drill": type(recording.drill).model_validate(values), "rules": rules})
    )
    assert [one.outcome for one in judgement.verdicts] == [VerdictOutcome.INCONCLUSIVE] * 2
    assert len(judgement.undermined_by) == 1
