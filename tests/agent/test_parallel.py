"""Sharing drills out among labs, and reading what each lab's process prints."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from agent.drill import Drill
from agent.parallel import Share, shared_out


def _drill(name: str, minutes: float) -> tuple[Path, Drill]:
    values = {"drill": name, "load": {"rate": 1}, "baseline": "1s", "observe": timedelta(minutes=minutes)}
    return Path(f"{name}.yml"), Drill.model_validate(values)


def _names(shares: list[Share]) -> list[list[str]]:
    return [[path.stem for path in share.files] for share in shares]


def test_the_longest_drills_begin_first_and_on_labs_of_their_own() -> None:
    files = [_drill("a", 4), _drill("b", 40), _drill("c", 12), _drill("d", 30), _drill("e", 12)]
    assert _names(shared_out(files, 2)) == [["b", "e"], ["d", "c", "a"]]
    assert _names(shared_out(files, 3)) == [["b"], ["d"], ["c", "e", "a"]]


def test_there_are_no_more_labs_than_drills() -> None:
    assert _names(shared_out([_drill("a", 4), _drill("b", 40)], 8)) == [["b"], ["a"]]


def test_what_a_lab_prints_says_which_drill_runs_and_what_it_does() -> None:
    share = Share([])
    said = [
        "   5.6 s  drill high-tps: A client repeats its order.",
        "  10.6 s  40 transactions/s   p95 5 ms   in flight 0   failed 0   dropped 0",
        "  12.0 s  alert HighTPS: firing",
        "load: 720 transactions",
        "recording out/high-tps.recording.json.gz",
        "alertdrill: the lab is on fire",
    ]
    worth_telling = [event for line in said if (event := share.heed(line))]
    assert worth_telling == ["drill high-tps: A client repeats its order.", "alert HighTPS: firing"]
    assert (share.drill, share.doing) == ("high-tps", "alert HighTPS: firing")
    assert share.written == [Path("out/high-tps.recording.json.gz")]
    assert share.problems == ["the lab is on fire"]
