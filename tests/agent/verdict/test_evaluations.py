"""The result of each evaluation, by tables: T it held, F it did not, ? unknown; in brackets: it may have been skipped.

An evaluation comes a tenth of a second after each scrape began.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import BetweenRecord, GroupRecord, SeriesRecord, TargetRecord, WatchedRecord
from alertdrill.agent.verdict.evaluations import RuleEvaluations, skipped, targets_behind, value_at
from tests.support.one_rule import FIRST, QUEUE, START, between, group, part, series, target, watched

OVER, UNDER_WAY, HUNG = 0.01, 0.095, 2.5
SECONDS = 30
_LETTERS = {True: "T", False: "F", None: "?"}


def _seen(recording: Recording, record: WatchedRecord) -> str:
    seen = RuleEvaluations(recording, record).of_series(next(iter(record.parts[0].series), None))
    letters = [(_LETTERS[tick.holds], tick.took_place) for tick in seen]
    return "".join(letter if took_place else f"[{letter}]" for letter, took_place in letters)


def _of(
    passed: Recording,
    record: WatchedRecord,
    *targets: TargetRecord,
    groups: list[GroupRecord] | None = None,
) -> str:
    update: dict[str, Any] = {"targets": list(targets), "groups": groups or [], "watched": [record]}
    changed = passed.model_copy(update=update | {"started_at": START, "ended_at": START + SECONDS})
    return _seen(changed, record)


@pytest.mark.parametrize(
    ("took", "held", "looks", "seen"),
    [
        # All samples were stored: the recording is exact.
        (OVER, "FFTTFF", None, "FFTTFF"),
        (OVER, "TFTFTF", "TTTTTTFFFFFF", "TFTFTF"),
        # Its newest samples were not stored yet: if they changed something, the result is unknown.
        (UNDER_WAY, "FFTTFF", None, "?F?T?F"),
        # The condition between the evaluations shows the result without the newest samples.
        (UNDER_WAY, "FFTTFF", "FFFFFTTTTFFFF", "FF?T?F"),
        (UNDER_WAY, "FFTTFF", "FFFFTTTTFFFFF", "FFTTFF"),
        (UNDER_WAY, "FFFFFF", "FFFFFTFFFFFFF", "FFFFFF"),
        (UNDER_WAY, "FFFFFF", "FFFFTFFFFFFFF", "FF?FFF"),
        (UNDER_WAY, "TTTTTT", "TTTTTTTTTTTTT", "TTTTTT"),
        # A target that hangs delays more than one scrape.
        (HUNG, "FFFFTTTT", "FFFFFFFFFTTTTTTT", "FFFF???T"),
        (HUNG, "FFFFFFFF", "FFFFFFFFFFFFFFFF", "FFFFFFFF"),
    ],
)
def test_a_scrape_under_way_makes_a_result_unknown_where_it_matters(
    passed: Recording, took: float, held: str, looks: str | None, seen: str
) -> None:
    record = watched(held, between=None if looks is None else between(looks))
    assert _of(passed, record, target(SECONDS, took)) == seen


def test_a_group_that_looks_back_far_enough_sees_every_scrape(passed: Recording) -> None:
    """With a query offset the evaluation comes later than the instant of its data, by that offset."""
    held = "FFTTFF"
    for offset, seen in ((0.0, "?F?T?F"), (0.01, "?F?T?F"), (0.05, "FFTTFF"), (1.0, "FFTTFF")):
        record = watched(held, query_offset_seconds=offset)
        assert _of(passed, record, target(SECONDS, UNDER_WAY)) == seen


@pytest.mark.parametrize(
    ("age", "seen"),
    [
        (0.9, "FFFFTTTT"),
        (2.4, "FFFFTTTT"),
        # An evaluation had none of the samples whose timestamps are up to four seconds older than their arrival.
        (4.0, "????????"),
        (2.6, "??FF???T"),
    ],
)
def test_samples_with_timestamps_of_their_exporter_leave_results_unknown(
    passed: Recording, age: float, seen: str
) -> None:
    record = watched("FFFFTTTT", sample_ages={"queue": age}, between=between("FFFFFFFFFTTTTTTT"))
    assert _of(passed, record, target(SECONDS)) == seen


@pytest.mark.parametrize(
    ("late", "phase_shift", "seen"),
    [(0.003, 0.0, "FFTTFF"), (0.08, 0.0, "?F?T?F"), (0.003, 0.08, "?F?T?F")],
)
def test_a_late_evaluation_or_scrape_means_late_storage(
    passed: Recording, late: float, phase_shift: float, seen: str
) -> None:
    """An evaluation or a scrape that came 80 ms late shows that the machine stores its samples as late."""
    shifted = [0.1 + number + (phase_shift if number == 20 else 0.0) for number in range(SECONDS)]
    groups = [group(range(6), late)]
    assert _of(passed, watched("FFTTFF"), target(SECONDS, instants=shifted), groups=groups) == seen


@pytest.mark.parametrize(
    ("last", "held", "seen"),
    [
        # Its scrapes ended 27 s before the recording does: the end of its series was written up to 3.2 s later.
        (3, "TTTTFFFFFF", "TTTT???FFF"),
        # Another series still holds, or none did: nothing changes.
        (3, "TTTTTTTTTT", "TTTTTTTTTT"),
        # It was scraped to the end of the recording.
        (29, "TTTTFFFFFF", "TTTTFFFFFF"),
    ],
)
def test_the_end_of_the_series_of_a_removed_target_is_unknown(
    passed: Recording, last: int, held: str, seen: str
) -> None:
    looks = between("".join(2 * letter for letter in held))
    assert _of(passed, watched(held, between=looks), target(last + 1)) == seen


def test_series_without_a_target_are_unknown_wherever_they_change(passed: Recording) -> None:
    """Series of recording rules come at unknown instants."""
    assert _of(passed, watched("FFTTFF")) == "?F?T?F"
    assert _of(passed, watched("FFTTFF", between=between("FFFFTTTTFFFFF"))) == "FFTTFF"


def test_without_a_series_it_never_held(passed: Recording) -> None:
    record = watched("FFF", parts=[part("queue > 5"), part("queue", series("TTT"))])
    assert _of(passed, record, target(SECONDS)) == "FFF"


def test_only_the_stretches_of_its_own_labels_count_between_evaluations(passed: Recording) -> None:
    other = QUEUE | {"instance": "other:80"}
    record = watched("FFTTFF", between=between("FFFFTTTTTFFFF", other))
    assert _of(passed, record, target(6, UNDER_WAY)) == "FF??FF"


@pytest.mark.parametrize(
    ("numbers", "errors", "seen"),
    [
        (range(6), {}, "FFTTFF"),
        ([0, 1, 3, 4, 5], {}, "FF[T]TFF"),
        ([0, 5], {}, "F[F][T][T][F]F"),
        # Before the first look and after the last one, a missed evaluation would be unknown.
        ([2, 4], {}, "FFT[T]FF"),
        (range(6), {2: {"QueueGrows": "many-to-many"}}, "FF[T]TFF"),
        (range(6), {2: {"AnotherAlert": "many-to-many"}}, "FFTTFF"),
    ],
)
def test_an_unseen_or_failed_evaluation_may_not_have_taken_place(
    passed: Recording, numbers: Any, errors: dict[int, dict[str, str]], seen: str
) -> None:
    groups = [group(numbers, errors=errors)]
    assert _of(passed, watched("FFTTFF"), target(SECONDS), groups=groups) == seen


def test_evaluations_of_another_group_prove_nothing(passed: Recording) -> None:
    other = group([0, 5]).model_copy(update={"group": "others"})
    assert _of(passed, watched("FFTTFF"), target(SECONDS), groups=[other]) == "FFTTFF"


RATE = "rate(queue[4s]) > 5"
SLOW = "rate(queue[3s]) > 5"
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("expr", "values", "held", "seen"),
    [
        # Far from its threshold, one scrape more or less does not matter.
        (RATE, [1.0, 1.0, 1.0, 99.0, 99.0, 99.0, 99.0], "FFFTTTT", "?F??TT?"),
        (RATE, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], "FFFFFFF", "?FFFFF?"),
        # Near to its threshold, it does.
        (RATE, [4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0], "FFFFFFF", "???????"),
        # With three scrapes, a range without its ends has one sample, and no rate.
        (SLOW, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], "FFFFFFF", "???????"),
        # A value that is not a number, or missing, counts as near.
        (RATE, [1.0, 1.0, NAN, 1.0, 1.0, 1.0, 1.0], "FFFFFFF", "????FF?"),
        (RATE, [1.0, 1.0, None, 1.0, 1.0, 1.0, 1.0], "FFFFFFF", "????FF?"),
        (RATE, [99.0, 99.0, INF, 99.0, 99.0, 99.0, 99.0], "TTTTTTT", "????TT?"),
        (RATE, [99.0, 99.0, -INF, 99.0, 99.0, 99.0, 99.0], "TTTTTTT", "????TT?"),
    ],
)
def test_a_range_without_its_newest_scrape_is_known_only_far_from_the_threshold(
    passed: Recording, expr: str, values: list[float | None], held: str, seen: str
) -> None:
    value = expr.removesuffix(" > 5")
    labels = {"job": "shop", "instance": "shop:80"}
    parts = [
        part(expr, series(held, labels)),
        part(value, SeriesRecord(labels=labels, first=0, values=values)),
        part("queue", series("TTTTTTT")),
    ]
    looks = between("".join(2 * letter for letter in held), labels)
    record = watched(held, parts=parts, between=looks)
    assert _of(passed, record, target(SECONDS, UNDER_WAY)) == seen
    assert _of(passed, record, target(SECONDS, OVER)) == held


def test_a_range_beside_another_series_is_unknown_during_a_scrape(passed: Recording) -> None:
    """Without a threshold there is no distance to it."""
    expr = "rate(queue[4s]) > rate(limit[4s])"
    parts = [part(expr, series("TTT")), part("queue", series("TTT"))]
    assert _of(passed, watched("TTT", parts=parts, between=between("TTTTTT")), target(SECONDS, UNDER_WAY)) == "???"


@pytest.mark.parametrize("value", [NAN, INF, -INF, 0.0])
def test_a_value_of_any_kind_is_a_result(passed: Recording, value: float) -> None:
    """An expression without a comparison makes an alert whatever its value is."""
    parts = [part("queue", series("FTT", value=value))]
    assert _of(passed, watched("FTT", parts=parts), target(SECONDS)) == "FTT"


def test_a_series_is_there_only_at_its_own_evaluations() -> None:
    late = SeriesRecord(labels=QUEUE, first=2, values=[1.0, None, 3.0])
    assert [value_at(late, number) for number in range(-1, 6)] == [None, None, None, 1.0, None, 3.0, None]


def test_a_rule_is_fed_by_the_targets_of_its_selectors(passed: Recording) -> None:
    other, further = target(3, instance="other:80"), target(3, job="elsewhere")
    recording = passed.model_copy(update={"targets": [target(3), other, further]})
    record = watched("FFF")
    assert [one.instance for one in targets_behind(recording, record)] == ["shop:80"]
    both = part("queue", series("TTT"), series("TTT", QUEUE | {"instance": "other:80"}))
    record = watched("FFF", parts=[part("queue > 5"), both])
    assert targets_behind(recording, record) == [target(3), other]
    assert targets_behind(recording, watched("FFF", parts=[])) == []


def test_a_gap_between_evaluations_is_certain_when_two_looks_left_no_room_for_another() -> None:
    assert [round(at - FIRST) for at in skipped(group([0, 1, 4, 5]))] == [2, 3]
    assert list(skipped(group(range(6)))) == []
    unwatched = [one.model_copy(update={"looked_before_at": one.at - 3}) for one in group([0, 4]).evaluations]
    assert list(skipped(group([0, 4]).model_copy(update={"evaluations": unwatched}))) == []


def test_conditions_between_evaluations_are_not_read_beyond_their_end(passed: Recording) -> None:
    short = BetweenRecord(first_at=START, step_seconds=0.5, count=3, series=[])
    assert _of(passed, watched("FFFF", between=short), target(SECONDS, UNDER_WAY)) == "FFFF"
