"""The order of drills on several labs, and reading what each lab's process prints."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.parallel import LabProcess, longest_first


def test_the_longest_drills_begin_first() -> None:
    minutes = {"a": 4, "b": 40, "c": 12, "d": 30}
    values = {"load": {"rate": 1}, "baseline": "1s"}
    drills = [
        Drill.model_validate(values | {"drill": name, "observe": timedelta(minutes=long)})
        for name, long in minutes.items()
    ]
    ordered = longest_first([Path(f"{name}.yml") for name in minutes], drills)
    assert [path.stem for path in ordered] == ["b", "d", "c", "a"]


def test_what_a_lab_prints_says_which_drill_runs_and_what_it_does() -> None:
    lab = LabProcess()
    said = [
        "   5.6 s  drill high-tps: A client repeats its order.",
        "  10.6 s  40 transactions/s   p95 5 ms   in flight 0   failed 0   dropped 0",
        "  12.0 s  alert HighTPS: firing",
        "load: 720 transactions",
        "recording out/high-tps.recording.json.gz",
        "alertdrill: the lab is on fire",
    ]
    worth_telling = [event for line in said if (event := lab.heed(line))]
    assert worth_telling == ["drill high-tps: A client repeats its order.", "alert HighTPS: firing"]
    assert (lab.drill, lab.doing) == ("high-tps", "alert HighTPS: firing")
    assert lab.written == [Path("out/high-tps.recording.json.gz")]
    assert lab.problems == ["the lab is on fire"]


SAID_FIRST = "   1.0 s  lab: starting real servers"


def _ended(code: int, said: list[str]) -> LabProcess:
    lab = LabProcess(code=code)
    for line in [SAID_FIRST, *said]:
        lab.heed(line)
    return lab


@pytest.mark.parametrize(
    ("code", "said"), [(1, ["recording a.gz", "Traceback (most recent call last):", "KeyError: 1"]), (2, []), (-11, [])]
)
def test_a_lab_that_ended_without_a_reason_has_its_last_words_told(code: int, said: list[str]) -> None:
    assert _ended(code, said).unexplained == [SAID_FIRST, *said]


@pytest.mark.parametrize(("code", "said"), [(0, []), (1, ["recording a.gz"]), (2, ["alertdrill: the lab is on fire"])])
def test_a_lab_that_said_why_has_no_more_told(code: int, said: list[str]) -> None:
    assert _ended(code, said).unexplained == []
