"""Cases: cut, repeated, continued, and what an alert did in them."""

from __future__ import annotations

from alertdrill.agent.regression.case import AlertActivity, Case, InputSeries, first_difference, stretches
from alertdrill.agent.regression.spelling import Value

QUEUE, ERRORS = (("__name__", "queue"),), (("__name__", "errors_total"),)


def _is_counter(labels: tuple[tuple[str, str], ...]) -> bool:
    return labels == ERRORS


def _case(gauge: list[Value], counter: list[Value]) -> Case:
    """Return a case with a fault from 60 to 105 s."""
    lines = (InputSeries(QUEUE, 4_000, 15_000, tuple(gauge)), InputSeries(ERRORS, 4_000, 15_000, tuple(counter)))
    return Case(15_000, 10, 1, lines, begins_ms=60_000, healed_ms=105_000)


CASE = _case(
    [1.0, 2.0, 3.0, 9.0, 9.0, 8.0, 7.0, 1.0, None, "stale"],
    [10.0, 11.0, 13.0, 20.0, 30.0, 40.0, 50.0, 51.0, 52.0, 53.0],
)


def _values(case: Case | None) -> list[list[Value]]:
    assert case is not None
    return [list(line.values) for line in case.lines]


def test_a_cut_case_begins_and_ends_at_evaluations() -> None:
    cut = CASE.cut(2, 5)
    assert (cut.evaluations, cut.since, cut.begins_ms, cut.healed_ms) == (4, 0, 30_000, 75_000)
    assert _values(cut) == [[3.0, 9.0, 9.0], [13.0, 20.0, 30.0]]
    assert [line.offset_ms for line in cut.lines] == [4_000, 4_000]


def test_the_quiet_time_is_repeated_without_what_may_have_seen_the_fault() -> None:
    gauge, counter = _values(CASE.quiet(_is_counter))
    assert gauge == [1.0, 2.0, 3.0] * 3 + [1.0]
    assert counter == [10.0, 11.0, 13.0, 14.0, 16.0, 17.0, 19.0, 20.0, 22.0, 23.0]


def test_without_quiet_time_there_is_none() -> None:
    assert CASE.cut(3, 9).quiet(_is_counter) is None


def test_a_held_fault_goes_on_as_it_was_at_an_instant() -> None:
    held = CASE.held(90_001, 180_000, _is_counter)
    assert held is not None
    assert (held.evaluations, held.healed_ms) == (13, 180_000)
    gauge, counter = _values(held)
    assert gauge == [1.0, 2.0, 3.0, 9.0, 9.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0]
    assert counter[:8] == [10.0, 11.0, 13.0, 20.0, 30.0, 40.0, 47.25, 54.5]


def test_a_fault_that_lasts_long_enough_is_not_held() -> None:
    assert CASE.held(90_001, 100_000, _is_counter) is None


def test_a_series_that_is_gone_stays_gone() -> None:
    gauge, _ = _values(CASE.longer(60_000, _is_counter))
    assert gauge[-4:] == ["stale", None, None, None]


def test_a_counter_that_was_reset_grows_from_zero() -> None:
    _, counter = _values(_case([None], [50.0, 55.0, 5.0, 10.0, 15.0]).longer(0, _is_counter))
    assert counter[-1] == 35.0
    quiet = _case([None], [50.0, 55.0, 5.0, 10.0, 15.0] + [15.0] * 5).quiet(_is_counter)
    assert _values(quiet)[1][3:6] == [10.0, 15.0, 20.0]


def test_times_of_an_alert_are_from_the_fault() -> None:
    timeline = {QUEUE: "....ppff.p", ERRORS: "..f......."}
    assert stretches(timeline, CASE) == [
        AlertActivity(ERRORS, -30.0, -30.0, -15.0),
        AlertActivity(QUEUE, 0.0, 30.0, 60.0),
        AlertActivity(QUEUE, 75.0, None, None),
    ]


def test_another_interval_has_other_evaluations_until_the_end() -> None:
    other = CASE.at_interval(30_000)
    # Its last evaluation sees all samples.
    assert (other.evaluations, other.since, other.ends_ms) == (6, 1, 150_000)


def test_timelines_are_compared_from_an_evaluation_on() -> None:
    assert first_difference({QUEUE: "pp.."}, {QUEUE: ".p.."}, 1) is None
    assert first_difference({QUEUE: "pp.."}, {QUEUE: ".p.f"}, 1) == (3, QUEUE)
    assert first_difference({}, {QUEUE: "...f"}, 0) == (3, QUEUE)
    assert first_difference({QUEUE: "...."}, {}, 0) is None
