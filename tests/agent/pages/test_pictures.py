"""The small pictures tell verdicts apart by their forms, for those who do not see the colours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from alertdrill.agent.api.wire import Run
from alertdrill.agent.pages import pictures

NOW = datetime(2026, 9, 21, 12, tzinfo=UTC)
# What says nothing of a verdict to whom does not see colours.
COLOURS_AND_PLACES = {"class", "x", "y", "cx", "cy"}


def _run(exit_code: int) -> Run:
    return Run(
        id="a", drill="slow", started_at=NOW - timedelta(hours=2), ended_at=NOW - timedelta(hours=1), exit_code=exit_code,
        aborted="", entry=None, instant=None, time_scale=1.0, outcomes=[],
    )  # fmt: skip


def _form(mark: ET.Element) -> tuple[str, frozenset[tuple[str, str]]]:
    kept = {name: value for name, value in mark.attrib.items() if name not in COLOURS_AND_PLACES}
    return mark.tag, frozenset(kept.items())


def test_drills_that_passed_failed_or_said_nothing_have_other_heights_on_the_strip() -> None:
    picture = ET.fromstring(pictures.strip(map(_run, (0, 1, 3, 77)), NOW, timedelta(days=1)))  # noqa: S314 - our own
    passed, failed, inconclusive, unknown = picture.findall("./a/rect")
    assert len({_form(mark) for mark in (passed, failed, inconclusive)}) == 3
    assert _form(unknown) == _form(inconclusive)
    (ground,) = picture.findall("./rect")
    assert failed.get("height") == ground.get("height")
    assert {float(mark.get("y", 0)) * 2 + float(mark.get("height", 0)) for mark in (passed, failed, inconclusive)} == {
        30
    }


def test_detections_that_passed_failed_or_said_nothing_have_other_marks_in_a_trend() -> None:
    outcomes = ("passed", "late", "inconclusive", "missed")
    picture = ET.fromstring(pictures.trend([10.0, 10.0, 10.0, None], outcomes))  # noqa: S314 - our own
    marks = [mark for mark in picture if mark.tag != "polyline"]
    assert [mark.get("class") for mark in marks] == ["good", "bad", "unsure", "bad"]
    assert len({_form(mark) for mark in marks}) == 4


def test_one_detection_is_no_trend() -> None:
    assert pictures.trend([10.0], ["passed"]) == ""
