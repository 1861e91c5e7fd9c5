"""Rare values and labels, by tables: each verdict is computed by hand.

The condition holds from 5.2 s after the fault to the evaluation 68.2 s after it, evaluated once a second, with a `for`
of 10 s: pending at 5.2 s, firing at 15.2 s, over at 68.2 s.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, NotificationRecord, PartRecord, SeriesRecord
from alertdrill.agent.report.drill import html
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, Verdict, VerdictOutcome

EXPR, VALUE = "orders:p95_seconds > 0.5", "orders:p95_seconds"
SERIES = {"__name__": VALUE, "instance": "shop:80", "job": "orders"}
# The evaluation 0.2 s after the fault; the condition holds from 5 to 68 evaluations later.
FAULT, BEGINS, ENDS, COUNT = 30, 35, 98, 140


def _changed(recording: Recording, *parts: PartRecord, **update: Any) -> Recording:
    """Record another expression, the first of the parts."""
    rule = recording.rules[0].model_copy(update={"expr": parts[0].expr} | update.pop("rule", {}))
    watched = recording.watched[0].model_copy(update={"parts": list(parts)})
    return recording.model_copy(update={"rules": [rule, recording.rules[1]], "watched": [watched]} | update)


def _part(expr: str, *series: SeriesRecord) -> PartRecord:
    return PartRecord(expr=expr, series=list(series), total=len(series))


def _held(value: float, labels: dict[str, str] = SERIES, *, first: int = BEGINS, last: int = ENDS) -> SeriesRecord:
    return SeriesRecord(labels=labels, first=first, values=[value] * (last - first))


def _always(before: float, during: float) -> SeriesRecord:
    values = [during if BEGINS <= number < ENDS else before for number in range(COUNT)]
    return SeriesRecord(labels=SERIES, first=0, values=values)


def _verdict(recording: Recording) -> Verdict:
    """Judge, and make every report; odd values must not make any of them fail."""
    judgement = judge(recording)
    json_report.render(recording, judgement)
    html.render(recording, judgement)
    (verdict,) = judgement.verdicts
    return verdict


@pytest.mark.parametrize(
    ("expr", "before", "during"),
    [
        (EXPR, 0.02, inf),
        (EXPR, nan, 0.66),
        (EXPR, -inf, 0.66),
        (f"{VALUE} < 0.5", 0.66, -inf),
        (f"{VALUE} != 0.02", 0.02, nan),
        (f"{VALUE} == +Inf", 0.02, inf),
    ],
)
def test_a_condition_may_hold_for_nan_and_infinity(passed: Recording, expr: str, before: float, during: float) -> None:
    parts = _part(expr, _held(during)), _part(VALUE, _always(before, during))
    verdict = _verdict(_changed(passed, *parts))
    assert verdict.outcome is VerdictOutcome.PASSED
    fault_at = passed.faults[0].injected_at
    came = {one.name: round(one.at - fault_at, 1) for one in verdict.milestones if one.at is not None}
    assert came == {"condition": 5.2, "pending": 5.2, "firing": 15.2, "notified": 17.3, "resolved": 68.2}


@pytest.mark.parametrize(
    ("expr", "value", "says"),
    [
        (EXPR, nan, "its value was NaN throughout"),
        (EXPR, -inf, "largest value -inf"),
        (f"{VALUE} < 0.5", inf, "smallest value inf"),
    ],
)
def test_a_value_that_never_crosses_may_be_nan_or_infinite(
    missed: Recording, expr: str, value: float, says: str
) -> None:
    verdict = _verdict(_changed(missed, _part(expr), _part(VALUE, _always(value, value))))
    assert (verdict.outcome, verdict.finding and verdict.finding.link) == (
        VerdictOutcome.MISSED,
        ChainLink.NEVER_CROSSED,
    )
    assert says in verdict.reason


@pytest.mark.parametrize("spoilt", [nan, inf, -inf])
def test_a_counter_that_is_not_a_number_predicts_nothing(missed: Recording, spoilt: float) -> None:
    expr = "rate(failed_total[20s]) > 5"
    parts = _part(expr), _part("rate(failed_total[20s])", _always(0, 1)), _part("failed_total", _always(0, spoilt))
    verdict = _verdict(_changed(missed, *parts))
    assert verdict.reason == "never crossed: largest value 1, at +5.2 s; it fires at > 5"


def test_buckets_whose_bound_is_not_a_number_are_left_out(missed: Recording) -> None:
    expr = "histogram_quantile(0.9, rate(took_bucket[20s])) > 5"
    buckets = [_always(0, 1).model_copy(update={"labels": {"le": le}}) for le in ("often", "NaN", "", "+Inf")]
    value = _part("histogram_quantile(0.9, rate(took_bucket[20s]))", _always(0, 1))
    verdict = _verdict(_changed(missed, _part(expr), value, _part("took_bucket", *buckets)))
    assert verdict.reason.startswith("never crossed: largest value 1, at +5.2 s; it fires at > 5")


def _labelled(recording: Recording, labels: dict[str, str], *, pending: range, firing: range) -> dict[str, Any]:
    """Store one alert by the numbers of its evaluations after the fault, and notify the pager 2.1 s after it fires."""
    first = recording.watched[0].first_at + FAULT
    whole = {"alertname": "OrdersSlow", "severity": "page", "instance": "shop:80", "job": "orders"} | labels
    stored = [("pending", pending), ("firing", firing)]
    alerts = [AlertSamples(labels=whole, state=s, instants=[first + n for n in ns]) for s, ns in stored if ns]
    told = [
        NotificationRecord(
            received_at=first + firing[0] + 2.1,
            receiver="pager",
            status="firing",
            labels=whole,
            starts_at=first + firing[0],
            ends_at=None,
        )
        for _ in firing[:1]
    ]
    return {"alerts": alerts, "notifications": told}


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: [*one[name], *other[name]] for name in one}


def _expecting(recording: Recording, labels: dict[str, str], within: str = "50s") -> dict[str, Any]:
    expected = {"alert": "OrdersSlow", "labels": labels, "within": within, "receiver": "pager"}
    values = recording.drill.model_dump(mode="json", by_alias=True) | {"expect": [expected]}
    return {"drill": Drill.model_validate(values)}


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        ({"zone": ""}, VerdictOutcome.PASSED),
        ({"zone": "", "severity": "page"}, VerdictOutcome.PASSED),
        ({"severity": ""}, VerdictOutcome.WRONG_LABELS),
        ({"zone": "a"}, VerdictOutcome.WRONG_LABELS),
    ],
)
def test_an_empty_label_counts_as_missing(passed: Recording, wanted: dict[str, str], outcome: VerdictOutcome) -> None:
    """An empty label of a series is not on its alert, and an empty label of a rule removes that of the series."""
    series = SERIES | {"zone": "", "team": "shop"}
    parts = _part(EXPR, _held(0.66, series)), _part(VALUE, _always(0.02, 0.66))
    rule = {"labels": {"severity": "page", "team": ""}}
    assert _verdict(_changed(passed, *parts, rule=rule, **_expecting(passed, wanted))).outcome is outcome


def _versions(recording: Recording, firing_again: int, within: str = "20s") -> Recording:
    """Let the label `version` change 30.2 s after the fault: one alert ends, another is pending from there on."""
    old, new = SERIES | {"version": "1"}, SERIES | {"version": "2"}
    whole = _part(EXPR, _held(0.66, old, last=FAULT + 30), _held(0.66, new, first=FAULT + 30))
    stored = _both(
        _labelled(recording, {"version": "1"}, pending=range(5, 15), firing=range(15, 30)),
        _labelled(recording, {"version": "2"}, pending=range(30, firing_again), firing=range(firing_again, 68)),
    )
    parts = whole, _part(VALUE, _always(0.02, 0.66))
    return _changed(recording, *parts, **stored, **_expecting(recording, {}, within))


@pytest.mark.parametrize(
    ("firing_again", "outcome"),
    [(40, VerdictOutcome.PASSED), (39, VerdictOutcome.EARLY), (41, VerdictOutcome.LATE), (30, VerdictOutcome.EARLY)],
)
def test_labels_that_change_make_another_alert_with_a_for_of_its_own(
    passed: Recording, firing_again: int, outcome: VerdictOutcome
) -> None:
    """The first alert kept to the drill's budget of 20 s; the second must take its 10 s, not more and not less."""
    assert _verdict(_versions(passed, firing_again)).outcome is outcome


def test_nothing_fired_within_the_budget_is_late_whatever_the_labels(passed: Recording) -> None:
    verdict = _verdict(_versions(passed, 40, within="12s"))
    assert verdict.outcome is VerdictOutcome.LATE
    assert verdict.reason.startswith("fired 15.2 s after the fault, the drill allows 12 s")


def test_labels_that_change_before_it_fires_are_named_as_what_reset_it(missed: Recording) -> None:
    old, new = SERIES | {"version": "1"}, SERIES | {"version": "2"}
    whole = _part(EXPR, _held(0.66, old, last=FAULT + 12), _held(0.66, new, first=FAULT + 12, last=FAULT + 20))
    stored = _both(
        _labelled(missed, {"version": "1"}, pending=range(5, 12), firing=range(0)),
        _labelled(missed, {"version": "2"}, pending=range(12, 20), firing=range(0)),
    )
    verdict = _verdict(_changed(missed, whole, _part(VALUE, _always(0.02, 0.66)), **stored))
    assert verdict.finding is not None
    assert (verdict.outcome, verdict.finding.link) == (VerdictOutcome.MISSED, ChainLink.BROKEN_OFF)
    assert verdict.finding.evidence[0] == (
        "pending from +5.2 s for 7.0 s, until its labels changed: version from '1' to '2'"
    )


TEMPLATE = {"labels": {"severity": "page", "seen": "{{ $value }}"}}


def _templated(recording: Recording, firing_again: int, ends: int = 68) -> Recording:
    """Change one series' value, which is in a label, 30.2 s after the fault."""
    stored = _both(
        _labelled(recording, {"seen": "0.66"}, pending=range(5, 15), firing=range(15, 30)),
        _labelled(recording, {"seen": "0.7"}, pending=range(30, firing_again), firing=range(firing_again, ends)),
    )
    parts = _part(EXPR, _held(0.66)), _part(VALUE, _always(0.02, 0.66))
    return _changed(recording, *parts, rule=TEMPLATE, **stored)


@pytest.mark.parametrize(
    ("firing_again", "ends", "outcome"),
    [
        (40, 68, VerdictOutcome.PASSED),
        (39, 68, VerdictOutcome.EARLY),
        (41, 68, VerdictOutcome.LATE),
        (40, 69, VerdictOutcome.LATE),
    ],
)
def test_a_template_that_changes_makes_another_alert_of_the_same_series(
    passed: Recording, firing_again: int, ends: int, outcome: VerdictOutcome
) -> None:
    verdict = _verdict(_templated(passed, firing_again, ends))
    assert verdict.outcome is outcome, verdict.reason
    assert verdict.notes == (
        "the label seen of OrdersSlow is a template and was '0.66', '0.7': each makes an alert of its own",
    )


def test_a_template_that_stays_the_same_needs_no_note(passed: Recording) -> None:
    stored = _labelled(passed, {"seen": "shop"}, pending=range(5, 15), firing=range(15, 68))
    parts = _part(EXPR, _held(0.66)), _part(VALUE, _always(0.02, 0.66))
    verdict = _verdict(_changed(passed, *parts, rule=TEMPLATE, **stored))
    assert (verdict.outcome, verdict.notes) == (VerdictOutcome.PASSED, ())


def test_a_label_with_the_value_prevents_an_alert_from_firing(missed: Recording) -> None:
    """Each evaluation has another value, so each makes another alert, whose `for` begins at zero."""
    stored: dict[str, Any] = {"alerts": [], "notifications": []}
    for number in range(5, 68):
        stored = _both(
            stored, _labelled(missed, {"seen": str(number)}, pending=range(number, number + 1), firing=range(0))
        )
    parts = _part(EXPR, _held(0.66)), _part(VALUE, _always(0.02, 0.66))
    verdict = _verdict(_changed(missed, *parts, rule=TEMPLATE, **stored))
    assert verdict.finding is not None
    assert (verdict.outcome, verdict.finding.link) == (VerdictOutcome.MISSED, ChainLink.BROKEN_OFF)
    assert verdict.finding.evidence[0].endswith("for 1.0 s, until its labels changed: seen from '5' to '6'")
    assert verdict.notes[0].startswith(
        "the label seen of OrdersSlow is a template and was '10', '11', '12' and 60 more"
    )
