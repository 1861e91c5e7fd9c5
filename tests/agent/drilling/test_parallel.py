"""The order of drills on several labs, and reading what each lab's process prints."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.pace import LabTiming
from alertdrill.agent.drilling.parallel import LabProcess, longest_first
from alertdrill.lab.pace import ScrapeTiming


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


@pytest.mark.parametrize(
    ("code", "printed", "counts"),
    [
        (0, [], None),
        (1, ["recording a.gz"], None),
        (3, ["recording a.gz"], None),
        (2, ["alertdrill: the lab is on fire"], 2),
        (4, ["recording a.gz"], 4),
        (1, ["recording a.gz", "Traceback (most recent call last):"], 1),
        (-11, [], 2),
        (130, [], 2),
    ],
)
def test_the_code_of_a_lab_counts_unless_it_only_says_how_its_drills_were_judged(
    code: int, printed: list[str], counts: int | None
) -> None:
    """A drill may be tried again, and then its earlier verdict does not count."""
    assert _ended(code, printed).code_of_error == counts


def test_a_lab_tells_when_it_is_ready_and_what_it_can_keep() -> None:
    lab = LabProcess()
    found = LabTiming(ScrapeTiming(0.012, 0.1, 1), 0.04)
    lab.read("pace ready")
    assert (lab.is_ready.is_set(), lab.is_measured.is_set()) == (True, False)
    lab.read(f"pace measured {json.dumps(asdict(found))}")
    assert (lab.is_measured.is_set(), lab.timing) == (True, found)


def test_nobody_waits_for_a_lab_that_has_ended() -> None:
    lab = LabProcess()
    lab.end(2)
    assert lab.is_ready.is_set()
    assert lab.is_measured.is_set()
    assert (lab.timing, lab.doing) == (None, "ended with exit code 2")
