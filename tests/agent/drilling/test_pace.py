"""How many labs, which time scale, and what is tried again: from tables of measurements and made judgements."""

from __future__ import annotations

import pytest

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.pace import (
    Judged,
    LabTiming,
    Pace,
    Tries,
    Wish,
    announced,
    first_pace,
    pace,
    slower,
)
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.verdict import Judgement, Verdict, VerdictOutcome
from alertdrill.lab.pace import ScrapeTiming, Spare

AUTO = Wish(None, None)


@pytest.mark.parametrize(
    ("spare", "drills", "labs", "scale"),
    [
        (Spare(2.0, 2), 9, 3, 60.0),  # nothing else runs
        (Spare(8.0, 8), 9, 9, 60.0),
        (Spare(64.0, 64), 40, 16, 60.0),
        (Spare(2.0, 2), 1, 1, 60.0),
        (Spare(1.6, 2), 9, 3, 60.0),  # hardly anything else runs
        (Spare(1.4, 2), 9, 3, 30.0),
        (Spare(0.9, 2), 9, 2, 30.0),
        (Spare(0.67, 2), 9, 1, 60.0),  # two other programs on each processor
        (Spare(2.0, 2, speed=0.33), 9, 1, 60.0),  # a machine three times slower
        (Spare(2.0, 2, speed=3.0), 9, 3, 60.0),  # a faster one is taken for a usual one
        (Spare(0.5, 2), 9, 1, 30.0),
        (Spare(0.3, 1), 9, 1, 15.0),
        (Spare(0.2, 2), 9, 1, 7.5),
        (Spare(0.01, 2), 9, 1, 3.75),
    ],
)
def test_the_first_choice_leaves_each_lab_enough_of_a_processor(
    spare: Spare, drills: int, labs: int, scale: float
) -> None:
    chosen = first_pace(spare, drills, AUTO)
    assert (chosen.labs, chosen.scale) == (labs, scale)


def _labs(
    *, late: float = 0.001, scrape: float = 0.02, load: float = 0.002, skipped: int = 0, count: int = 3
) -> list[LabTiming]:
    return [
        LabTiming(ScrapeTiming(0.0, 0.01, 0), 0.001),
        *[LabTiming(ScrapeTiming(late, scrape, skipped), load)] * (count - 1),
    ]


FIRST = Pace(3, 60.0, ())


@pytest.mark.parametrize(
    ("found", "labs", "scale"),
    [
        (_labs(), 3, 60.0),
        (_labs(late=0.06), 3, 30.0),
        (_labs(scrape=0.1), 3, 30.0),
        (_labs(load=0.08), 3, 30.0),
        (_labs(skipped=1), 3, 30.0),
        (_labs(late=0.13), 2, 15.0),
        (_labs(load=0.3), 2, 7.5),
        (_labs(late=0.5, scrape=0.25), 2, 3.75),
        (_labs(load=9.0, skipped=7), 2, 3.75),
        ([], 3, 60.0),
    ],
)
def test_late_labs_get_a_smaller_time_scale_and_much_later_ones_are_fewer(
    found: list[LabTiming], labs: int, scale: float
) -> None:
    chosen = pace(FIRST, Spare(2.0, 2), found, AUTO)
    assert (chosen.labs, chosen.scale) == (labs, scale)


def test_the_second_choice_is_never_faster_than_the_first_and_one_lab_stays_one() -> None:
    chosen = pace(Pace(1, 7.5, ()), Spare(0.2, 2), _labs(), AUTO)
    assert (chosen.labs, chosen.scale) == (1, 7.5)
    late = pace(Pace(1, 7.5, ()), Spare(0.2, 2), _labs(load=1.0), AUTO)
    assert (late.labs, late.scale) == (1, 3.75)


def test_the_choice_is_told_in_one_line_with_its_figures() -> None:
    found = _labs(late=0.012, scrape=0.1, load=0.04)
    assert pace(Pace(2, 30.0, ()), Spare(0.93, 2), found, AUTO).words == (
        "2 labs at time scale 30: 0.9 of 2 cores are free, scrapes come 12 ms late and take up to 100 ms,"
        " the load is sent 40 ms late"
    )
    poor = pace(Pace(1, 15.0, ()), Spare(0.4, 1, speed=0.5, stolen=0.12), _labs(skipped=1, count=2), AUTO)
    assert poor.words == (
        "1 lab at time scale 7.5: 0.4 of 1 core is free, a core does 50% of the usual work,"
        " 12% of the time is taken from this machine, scrapes come 1 ms late and take up to 20 ms,"
        " the load is sent 2 ms late, 1 evaluation was skipped"
    )


@pytest.mark.parametrize(
    ("wish", "labs", "scale", "warning"),
    [
        (Wish(4, None), 4, 30.0, "4 labs may be too much for this machine, 3 labs would do: 2.0 of 2 cores are free"),
        (Wish(None, 120.0), 3, 120.0, "time scale 120 may be too much for this machine, 60 would do: 2.0 of 2"),
        (Wish(2, None), 2, 60.0, ""),
        (Wish(None, 15.0), 3, 15.0, ""),
    ],
)
def test_a_given_number_is_never_overruled_but_may_be_warned_of(
    wish: Wish, labs: int, scale: float, warning: str
) -> None:
    chosen = first_pace(Spare(2.0, 2), 9, wish)
    assert (chosen.labs, chosen.scale) == (labs, scale)
    assert chosen.warning.startswith(warning) if warning else not chosen.warning


def test_late_labs_do_not_overrule_a_given_number_of_labs() -> None:
    chosen = pace(FIRST, Spare(2.0, 2), _labs(late=0.5), Wish(3, None))
    assert (chosen.labs, chosen.scale) == (3, 3.75)
    assert chosen.warning.startswith("3 labs may be too much for this machine, 2 labs would do: ")


def _judged(recording: Recording, name: str, outcome: str, attempt: int = 1, *, of_machine: bool = False) -> Judged:
    drill = recording.drill.model_copy(update={"drill": name, "name": name})
    verdict = Verdict("SomethingWrong", {}, VerdictOutcome(outcome), "")
    judgement = Judgement((verdict,), (), (), 0.0, doubts_of_machine=of_machine)
    return recording.model_copy(update={"drill": drill, "attempt": attempt, "time_scale": 60 / attempt}), judgement


def _drills(*names: str) -> list[Drill]:
    return [
        Drill.model_validate({"drill": name, "load": {"rate": 1}, "baseline": "1s", "observe": "1m"}) for name in names
    ]


WRONG = ["late", "early", "missed", "wrong_labels", "not_notified", "wrong_receiver", "not_resolved", "unexpected"]


@pytest.mark.parametrize("outcome", ["passed", *WRONG])
def test_only_an_inconclusive_drill_is_tried_again(outcome: str, passed: Recording) -> None:
    """Whatever the machine did: an alert that was wrong without doubt stays wrong."""
    tries = Tries()
    tries.add([_judged(passed, "a", outcome, of_machine=True)], [])
    assert tries.again(_drills("a"), 2) == []
    assert tries.exit_code == (0 if outcome == "passed" else 1)


def test_a_drill_that_is_inconclusive_for_another_reason_is_not_tried_again(passed: Recording) -> None:
    tries = Tries()
    tries.add([_judged(passed, "a", "inconclusive"), _judged(passed, "b", "inconclusive", of_machine=True)], [])
    assert tries.again(_drills("b", "a", "c"), 2) == [0]
    assert tries.exit_code == 3


def test_the_last_try_counts_and_there_are_three(passed: Recording) -> None:
    tries = Tries()
    tries.add([_judged(passed, name, "inconclusive", of_machine=True) for name in ("a", "b")], [])
    assert tries.again(_drills("a", "b"), 2) == [0, 1]
    tries.add([_judged(passed, "b", "passed", 2), _judged(passed, "a", "inconclusive", 2, of_machine=True)], [])
    assert tries.spoiled == ["a"]
    assert tries.again(_drills("a", "b"), 3) == [0]
    tries.add([_judged(passed, "a", "inconclusive", 3, of_machine=True)], [])
    assert tries.again(_drills("a", "b"), 4) == []
    assert [(one.drill.name, one.attempt) for one, _ in tries.last] == [("a", 3), ("b", 2)]
    assert tries.exit_code == 3


def test_two_drills_of_one_name_are_each_tried_again_by_themselves(passed: Recording) -> None:
    tries = Tries()
    tries.add([_judged(passed, "a", "passed"), _judged(passed, "a", "inconclusive", of_machine=True)], [])
    assert len(tries.again(_drills("a", "a"), 2)) == 1
    tries.add([_judged(passed, "a", "passed", 2)], [])
    assert [one.attempt for one, _ in tries.last] == [1, 2]
    assert tries.exit_code == 0


def test_nothing_is_tried_again_while_a_fault_may_be_in_force(passed: Recording) -> None:
    tries = Tries()
    tries.add([_judged(passed, "a", "inconclusive", of_machine=True)], [4])
    assert tries.again(_drills("a"), 2) == []
    assert tries.exit_code == 4


def test_each_try_runs_at_half_the_scale_but_not_slower_than_real_time() -> None:
    assert [slower(60.0), slower(7.5), slower(1.5), slower(1.0)] == [30.0, 3.75, 1.0, 1.0]


def test_what_is_tried_again_is_told() -> None:
    assert announced(["a"], 30.0) == "the machine was too busy for drill a: again, one at a time, at time scale 30"
    assert announced(["a", "b"], 7.5) == (
        "the machine was too busy for 2 drills (a, b): again, one at a time, at time scale 7.5"
    )
