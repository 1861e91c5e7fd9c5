"""Properties of whole cases, beside windows that were computed by hand from Prometheus' semantics."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import Case, Compare, Counters, Gauge, Group, Rate, Ratio, Rule, Selector, Service, Stretches, Target
from simulator.drawn import KINDS, cases, draw_many

W = 300_000


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_case_always_has_the_same_result(case: Case) -> None:
    assert case.run() == case.run()


def test_drawn_cases_are_of_all_kinds_and_many_of_them_fire() -> None:
    drawn = draw_many(cases(), 300)
    truths = [case.run() for case in drawn]
    assert {case.kind for case in drawn} == set(KINDS)
    assert {len(case.targets) for case in drawn} == {1, 2, 3}
    for case, truth in zip(drawn, truths, strict=True):
        assert 20 - len(case.group.skipped) <= len(truth.evaluations) <= 201 or case.restart
    assert sum(bool(truth.fired()) for truth in truths) > 100
    assert sum(not truth.fired() for truth in truths) > 30
    assert sum(bool(truth.notifications) for truth in truths) > 80
    assert sum(any(one.seen != one.later for one in truth.evaluations) for truth in truths) > 30


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_step_of_a_gauge_fires_exactly_when_the_formula_says(data: st.DataObject) -> None:
    """Scrape, then evaluate, then wait for `for`, rounded up to evaluations."""
    interval, evaluation = data.draw(st.sampled_from((1000, 5000, 15_000))), data.draw(st.sampled_from((1000, 2000)))
    phase, offset = data.draw(st.integers(0, interval - 1)), data.draw(st.integers(0, evaluation - 1))
    duration, lag = data.draw(st.integers(0, 400)), data.draw(st.integers(0, 50))
    hold, begin = data.draw(st.integers(0, 60_000)), data.draw(st.integers(20_000, 60_000))
    fault = Stretches(((begin, 10**9),))
    service = Service((Gauge("depth", 0, 1),), (0,), fault)
    target = Target("api", "1", service, interval, phase, interval, duration)
    rule = Rule("Deep", Compare(Selector("depth"), "==", 1.0), hold)
    case = Case("gauge", 0, 200_000, fault, (target,), rule, Group(evaluation, offset, lag))
    scraped = begin + (phase - begin) % interval
    active_at = scraped + max(0, duration - lag)
    active_at += (offset - active_at) % evaluation
    life = case.run().lives[0]
    assert life.active_at == active_at
    assert life.fired_at == active_at + ceil(hold / evaluation) * evaluation


def _errors(lasts: int, comparison: str) -> Case:
    """Half of all events fail for `lasts`; the range is five minutes, `for` five minutes, every fifteen seconds."""
    fault = Stretches(((600_000, 600_000 + lasts),))
    target = Target("api", "1", Service((Counters(100, 0, 1),), (-3_600_000,), fault), 15_000, 0, 10_000)
    ratio = Ratio(Rate(Selector("errors_total"), W), Rate(Selector("requests_total"), W), ("reason",))
    condition = Compare(ratio, ">=", 0.5)
    if comparison == ">":
        condition = replace(condition, comparison=">")
    return Case("ratio", 0, 2_000_000, fault, (target,), Rule("Errors", condition, 300_000), Group(15_000))


def test_a_fault_as_long_as_its_window_holds_for_as_long_and_one_a_little_longer_fires() -> None:
    """As promtool showed: 300 s do not fire, 330 s do; `>` costs one evaluation at equality."""
    assert not _errors(300_000, ">").run().fired()
    assert _errors(330_000, ">").run().fired()
    later = _errors(330_000, ">").run().lives[0].active_at - _errors(330_000, ">=").run().lives[0].active_at
    assert later == 15_000
