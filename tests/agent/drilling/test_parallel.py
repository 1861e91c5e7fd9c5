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


def test_the_lines_of_a_lab_name_its_drill_and_what_it_does() -> None:
    lab = LabProcess()
    printed = [
        "   5.6 s  drill high-tps: A client repeats its order.",
        "  10.6 s  40 transactions/s   p95 5 ms   in flight 0   failed 0   dropped 0",
        "  12.0 s  alert HighTPS: firing",
        "load: 720 transactions",
        "recording out/high-tps.recording.json.gz",
        "alertdrill: the lab is on fire",
    ]
    events = [event for line in printed if (event := lab.read(line))]
    assert events == ["drill high-tps: A client repeats its order.", "alert HighTPS: firing"]
    assert (lab.drill, lab.doing) == ("high-tps", "alert HighTPS: firing")
    assert lab.written == [Path("out/high-tps.recording.json.gz")]
    assert lab.problems == ["the lab is on fire"]


FIRST_LINE = "   1.0 s  lab: starting real servers"


def _ended(code: int, printed: list[str]) -> LabProcess:
    lab = LabProcess(code=code)
    for line in [FIRST_LINE, *printed]:
        lab.read(line)
    return lab


@pytest.mark.parametrize(
    ("code", "printed"),
    [(1, ["recording a.gz", "Traceback (most recent call last):", "KeyError: 1"]), (2, []), (-11, [])],
)
def test_the_last_lines_of_a_lab_that_gave_no_reason_are_shown(code: int, printed: list[str]) -> None:
    assert _ended(code, printed).unexplained == [FIRST_LINE, *printed]


@pytest.mark.parametrize(
    ("code", "printed"), [(0, []), (1, ["recording a.gz"]), (2, ["alertdrill: the lab is on fire"])]
)
def test_of_a_lab_that_gave_a_reason_no_more_is_shown(code: int, printed: list[str]) -> None:
    assert _ended(code, printed).unexplained == []
