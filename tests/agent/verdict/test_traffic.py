"""Doubts about the load of a recording, by the limits that hold for every load."""

from __future__ import annotations

from statistics import fmean

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.doubts import load_problems


def _ramping(recording: Recording, unsent_share: float) -> Recording:
    """Increase the load by two transactions a second, and send a share less than was due."""
    seconds = [
        second.model_copy(update={"due": 2 * index + 1, "dropped": round(unsent_share * (2 * index + 1))})
        for index, second in enumerate(recording.load.seconds)
    ]
    changes = {
        "target_rate": fmean(second.due for second in seconds),
        "seconds": seconds,
        "due": sum(second.due for second in seconds),
        "dropped": sum(second.dropped for second in seconds),
    }
    return recording.model_copy(update={"load": recording.load.model_copy(update=changes)})


def test_a_ramp_that_was_sent_has_no_problem(passed: Recording) -> None:
    assert load_problems(_ramping(passed, 0.0)) == []


def test_a_ramp_that_was_not_sent_misses_its_mean_rate(passed: Recording) -> None:
    dropped, reached = load_problems(_ramping(passed, 0.1))
    assert dropped.startswith("the load dropped ")
    assert reached == "the load reached 126.0 transactions a second of 140, less than 95 %"


def test_a_load_without_a_whole_second_is_not_blamed_for_its_rate(passed: Recording) -> None:
    load = passed.load.model_copy(update={"seconds": [], "due": 40, "target_rate": 0.0})
    assert load_problems(passed.model_copy(update={"load": load})) == []
