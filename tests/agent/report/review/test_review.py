from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.agent.report.review import sparkline
from alertdrill.agent.report.review.forms import as_html, as_markdown, as_text
from alertdrill.agent.report.review.review import DrillResult, DrillRun, Review, drill_result, review
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome

SAMPLES = Path(__file__).parents[3] / "recordings"
DAY = 86_400.0
NOW = 100 * DAY


def run(
    day: float, outcome: VerdictOutcome = VerdictOutcome.PASSED, after: float | None = 10.0, **changes: object
) -> DrillRun:
    values = {"alert": "Slow", "drill": "slow", "time_scale": 1.0, "reason": "why"} | changes
    return DrillRun(at=NOW - day * DAY, outcome=outcome, detected_after=after, **values)  # type: ignore[arg-type]


def drill(*runs: DrillRun, alerts: tuple[str, ...] = ("Slow",)) -> DrillResult:
    failed = any(one.outcome is not VerdictOutcome.PASSED for one in runs)
    return DrillResult(runs[0].at, int(failed), runs, frozenset(alerts))


def reviewed(*runs: DrillRun, **changes: object) -> Review:
    return review([drill(one) for one in runs], until=NOW, **changes)  # type: ignore[arg-type]


def shown(made: Review) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(as_text(made))
    return out.getvalue()


def test_an_alert_was_proven_when_it_passed_last() -> None:
    (track,) = reviewed(run(3), run(5), run(1, VerdictOutcome.LATE)).tracks
    assert track.proven_at == NOW - 3 * DAY
    assert track.outcomes == [(VerdictOutcome.PASSED, 2), (VerdictOutcome.LATE, 1)]


def test_the_change_is_that_of_the_last_detection_from_the_median_before() -> None:
    runs = [
        run(5, after=10),
        run(4, after=12),
        run(3, after=50),
        run(2, VerdictOutcome.MISSED, None),
        run(1, after=13.5),
    ]
    (track,) = reviewed(*runs).tracks
    assert track.detected_after == [10, 12, 50, 13.5]
    assert track.change == pytest.approx(1.5)


def test_one_detection_has_no_change() -> None:
    (once,) = reviewed(run(1)).tracks
    (silent,) = reviewed(run(1, VerdictOutcome.MISSED, None)).tracks
    assert (once.change, silent.change) == (None, None)


def test_drills_and_time_scales_are_not_compared() -> None:
    made = reviewed(run(3), run(2, drill="other"), run(1, time_scale=30.0))
    assert [(track.drill, track.time_scale) for track in made.tracks] == [("other", 1), ("slow", 1), ("slow", 30)]


def test_an_unproven_alert_has_its_last_verdict() -> None:
    made = reviewed(
        run(2, VerdictOutcome.MISSED, None, reason="never crossed"),
        run(3, VerdictOutcome.LATE),
        alerts=["Slow", "Down"],
    )
    assert [(one.alert, one.last.outcome if one.last else None) for one in made.unproven] == [
        ("Down", None),
        ("Slow", VerdictOutcome.MISSED),
    ]


def test_an_unexpected_alert_is_not_proven() -> None:
    made = reviewed(run(1, VerdictOutcome.UNEXPECTED, None, is_expected=False))
    assert [(one.alert, one.last) for one in made.unproven] == [("Slow", None)]


def test_the_rules_of_the_last_drill_are_the_default() -> None:
    made = review([drill(run(1), alerts=("Slow", "New")), drill(run(9), alerts=("Slow", "Old"))], until=NOW)
    assert [one.alert for one in made.unproven] == ["New"]


def test_only_drills_since_then_count() -> None:
    made = reviewed(run(8), run(2, VerdictOutcome.LATE), since=NOW - 7 * DAY)
    assert (made.drills, len(made.unproven)) == (1, 1)


def test_no_drills_give_a_review_too() -> None:
    made = review([], until=NOW, alerts=["Slow"])
    assert "0 drills; 0 of 1 alerts proven" in shown(made)
    assert "There was no drill." in as_html(made)
    assert "- [ ] Slow: no drill expects it" in as_markdown(made)


@pytest.mark.parametrize(
    ("name", "outcome", "after"),
    [
        ("passed", VerdictOutcome.PASSED, 13.369),
        ("late", VerdictOutcome.LATE, 13.345),
        ("missed", VerdictOutcome.MISSED, None),
        ("inconclusive", VerdictOutcome.INCONCLUSIVE, None),
    ],
)
def test_a_real_drill_gives_its_verdict_and_the_time_it_took(
    name: str, outcome: VerdictOutcome, after: float | None
) -> None:
    recording = read_recording(SAMPLES / f"{name}.recording.json.gz")
    (one,) = drill_result(recording, judge(recording)).runs
    assert (one.alert, one.drill, one.time_scale, one.outcome) == ("HighResponseTime", "database-latency", 30, outcome)
    assert one.detected_after == (None if after is None else pytest.approx(after, abs=0.001))


def test_an_unexpected_alert_has_detected_nothing(passed: Recording) -> None:
    strict = passed.model_copy(update={"drill": passed.drill.model_copy(update={"allow": []})})
    runs = {one.alert: one for one in drill_result(strict, judge(strict)).runs}
    assert runs["QueueGrows"].outcome is VerdictOutcome.UNEXPECTED
    assert runs["QueueGrows"].detected_after is None
    assert runs["OrdersSlow"].detected_after == pytest.approx(15.2)


def test_an_alert_of_an_inconclusive_drill_has_no_detection_time(inconclusive: Recording) -> None:
    (one,) = drill_result(inconclusive, judge(inconclusive)).runs
    assert (one.outcome, one.detected_after, one.is_expected) == (VerdictOutcome.INCONCLUSIVE, None, True)


def test_the_text_shows_each_alert_and_its_trend() -> None:
    text = shown(
        reviewed(run(3, after=10), run(2, VerdictOutcome.MISSED, None), run(1, after=20), alerts=["Slow", "Down"])
    )
    assert "3 drills: 2 passed, 1 failed; 1 of 2 alerts proven" in text
    assert "✓ Slow  slow" in text
    assert re.search(r"fired after 20\.0 s, \+10\.0 s from the median before  ▁·█", text)
    assert "✗ Down: no drill expects it" in text


def test_the_page_draws_a_dot_for_each_time_it_fired_and_a_cross_for_the_others() -> None:
    page = as_html(reviewed(run(3), run(2, VerdictOutcome.MISSED, None), run(1, VerdictOutcome.LATE, 20)))
    assert re.findall(r'<(circle|path) class="(\w+)"', page) == [("circle", "good"), ("path", "bad"), ("circle", "bad")]
    assert "1970-04-08 00:00:00 UTC: passed, fired after 10.0 s" in page


def test_text_from_outside_is_not_markup() -> None:
    evil = "<script>alert(1)</script>"
    made = reviewed(run(1, VerdictOutcome.MISSED, None, alert=evil, reason=evil), alerts=[evil], damaged=[evil])
    assert "<script>" not in as_html(made)
    assert not re.search(r"(?<!\\)<script>", as_markdown(made))
    assert "\x1b" not in shown(reviewed(run(1, alert="\x1b[31m")))


def test_a_sparkline_spans_its_values_and_shows_small_differences_as_small() -> None:
    assert sparkline.text([1, None, 2, 3]) == "▁·▅█"
    assert sparkline.text([10.0, 10.01, 9.99]) == "▅▅▄"
    assert sparkline.text([]) == ""
    assert sparkline.text([0.0, 0.0]) == "▅▅"
    assert len(sparkline.text(list(range(1, 100)))) == 24
