"""The lawful window of each milestone, by tables; instants are numbers of evaluations, which come once a second.

T: the condition held, F: it did not, ?: unknown; in brackets: the evaluation may have been skipped.
"""

from __future__ import annotations

import re

import pytest

from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.evaluations import Evaluation
from alertdrill.agent.verdict.onset import Onset
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import Window
from alertdrill.agent.verdict.window import (
    condition_began,
    condition_window,
    firing_window,
    pending_window,
    resolved_window,
)
from tests.support.one_rule import FIRST, rule

_HOLDS = {"T": True, "F": False, "?": None}
# Samples are in whole milliseconds.
_OPEN = 0.002


def _evaluations(text: str) -> list[Evaluation]:
    seen = re.findall(r"\[(.)\]|(.)", text)
    return [Evaluation(FIRST + n, _HOLDS[open_ or sure], took_place=bool(sure)) for n, (open_, sure) in enumerate(seen)]


def _bounds(window: Window | None) -> tuple[float, float] | None:
    """Return a window in evaluations, without the 2 ms that it is wider at both ends."""
    if window is None:
        return None
    return round(window.earliest - FIRST + _OPEN, 6), round(window.latest - FIRST - _OPEN, 6)


RATE = "rate(errors_total[5m]) > 7"


@pytest.mark.parametrize(
    ("expr", "first_bad", "needed", "window"),
    [
        # Scraped every 15 s, evaluated every 30 s, a scrape takes 0.2 s: 5 + 15 + 30 + 0.2.
        ("queue > 5", 5.0, (0.0, 0.0), (0.0, 50.2)),
        # The fault may have begun up to a scrape before it showed, but not before it was injected.
        ("queue > 5", 20.0, (0.0, 0.0), (5.0, 65.2)),
        # A scrape that was under way when the fault began has its instant before the fault.
        ("up == 0", -0.4, (0.0, 0.0), (-0.4, 44.8)),
        # 60 s of the range: at the soonest a scrape less, for the phase of the fault and for extrapolation.
        (RATE, 5.0, (60.0, 60.0), (35.0, 110.2)),
        (RATE, 5.0, (60.0, 90.0), (35.0, 140.2)),
        (RATE, 5.0, (10.0, 10.0), (0.0, 60.2)),
    ],
)
def test_a_condition_is_expected_from_the_first_bad_scrape_on(
    expr: str, first_bad: float, needed: tuple[float, float], window: tuple[float, float]
) -> None:
    onset = Onset(classify(expr), FIRST + first_bad, needed)
    timing = Timing(scrape=15, interval=30, scrape_lag=0.2)
    assert _bounds(condition_window(onset, timing, FIRST)) == window


def test_a_query_offset_does_not_move_the_instants_of_the_data() -> None:
    onset = Onset(classify("queue > 5"), FIRST + 5, (0.0, 0.0))
    timing = Timing(scrape=15, interval=30, query_offset=60)
    assert _bounds(condition_window(onset, timing, FIRST)) == (0.0, 50.0)


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ((0.0, 0.0), "first bad scrape +5.00 s, ± a scrape (15 s), + an evaluation (30 s)"),
        (
            (60.0, 61.0),
            "first bad scrape +5.00 s, + 60 s of the 300 s range that must be bad, ± a scrape (15 s), + an evaluation (30 s)",
        ),
        (
            (6.0, 60.0),
            "first bad scrape +5.00 s, + 6 … 60 s of the 300 s range that must be bad, ± a scrape (15 s), + an evaluation (30 s)",
        ),
    ],
)
def test_a_condition_s_window_says_how_it_comes_about(needed: tuple[float, float], words: str) -> None:
    window = condition_window(Onset(classify(RATE), FIRST + 5, needed), Timing(15, 30), FIRST)
    assert window is not None
    assert window.arithmetic == words


@pytest.mark.parametrize(("first_bad", "needed"), [(None, (0.0, 0.0)), (5.0, None), (None, None)])
def test_there_is_no_condition_window_if_the_recording_does_not_show_the_fault(
    first_bad: float | None, needed: tuple[float, float] | None
) -> None:
    assert condition_window(Onset(classify(RATE), first_bad, needed), Timing(15, 30), FIRST) is None


@pytest.mark.parametrize(
    ("seen", "pending_at", "window"),
    [
        ("FFTTTF", 2, (2, 2)),
        # A late alert is compared with the evaluation at which the stretch began, an early one with the next.
        ("FFTTTF", 4, (2, 2)),
        ("FFTTTF", 1, (2, 2)),
        ("FFTTTF", 0, (2, 2)),
        # Each stretch is judged alone.
        ("TTFFTT", 4, (4, 4)),
        ("TTFFTT", 3, (4, 4)),
        ("TTFFTT", 1, (0, 0)),
        # The result of an evaluation is unknown: the alert may have become pending there, and must have by the first sure one.
        ("F??TTF", 3, (1, 3)),
        ("F??TTF", 1, (1, 3)),
        ("F?FTTF", 1, (1, 3)),
        ("F?FTTF", 3, (3, 3)),
        # Or the stretch may have ended there, and begun again.
        ("FTT?TTF", 1, (1, 1)),
        ("FTT?TTF", 4, (1, 4)),
        ("FTT?TTF", 5, (1, 4)),
        ("FTT??TF", 4, (1, 5)),
        # The same if the evaluation may have been skipped.
        ("F[T][T]TF", 3, (1, 3)),
        ("F[T]FTTF", 3, (3, 3)),
        ("F[F]TTF", 2, (2, 2)),
        # But a skipped evaluation ends nothing.
        ("FTT[T]TF", 4, (1, 1)),
        # It never held from there on, or never for certain.
        ("FFTTFF", 4, None),
        ("FF??FF", 2, None),
        ("FF[T]FF", 2, None),
        ("FF", 2, None),
        ("", 0, None),
    ],
)
def test_an_alert_becomes_pending_at_the_first_evaluation_that_saw_its_condition(
    seen: str, pending_at: int, window: tuple[float, float] | None
) -> None:
    assert _bounds(pending_window(_evaluations(seen), FIRST + pending_at, FIRST)) == window


@pytest.mark.parametrize(
    ("seen", "pending_at", "began_at"),
    [
        ("FFTTTF", 2, 2),
        ("FFTTTF", 4, 2),
        ("FFTTTF", 1, 2),
        # If the result of an evaluation is unknown, the alert shows it.
        ("F??TTF", 1, 1),
        ("F??TTF", 2, 2),
        ("F??TTF", 3, 3),
        ("FT?TTF", 4, 3),
        ("F[T]TTF", 2, 1),
        ("FFTTFF", 4, None),
        ("", 0, None),
    ],
)
def test_the_condition_began_with_the_evaluations_that_led_to_the_alert(
    seen: str, pending_at: int, began_at: int | None
) -> None:
    found = condition_began(_evaluations(seen), FIRST + pending_at)
    assert found == (None if began_at is None else FIRST + began_at)


def test_a_sample_s_milliseconds_do_not_make_it_another_evaluation() -> None:
    assert _bounds(pending_window(_evaluations("FTF"), FIRST + 1.001, FIRST)) == (1, 1)


@pytest.mark.parametrize(
    ("seen", "for_seconds", "pending_at", "window"),
    [
        ("FTTTTTTT", 0, 1, (1, 1)),
        ("FTTTTTTT", 1, 1, (2, 2)),
        ("FTTTTTTT", 3, 1, (4, 4)),
        # `for` is rounded up to whole evaluations.
        ("FTTTTTTT", 0.1, 1, (2, 2)),
        ("FTTTTTTT", 2.5, 1, (4, 4)),
        # A skipped evaluation counts towards `for`, but does not fire: the next one does.
        ("FT[T]TTTTT", 3, 1, (4, 4)),
        ("FTTT[T]TTT", 3, 1, (4, 5)),
        ("FTTT[T][T]TT", 3, 1, (4, 6)),
        # The recording may end first.
        ("FTT", 5, 1, (6, 6)),
        ("FTT[T]", 2, 1, (3, 3)),
    ],
)
def test_an_alert_fires_for_rounded_up_to_evaluations_after_it_became_pending(
    seen: str, for_seconds: float, pending_at: int, window: tuple[float, float]
) -> None:
    of, timing = rule(for_seconds=for_seconds), Timing(1, 1, for_seconds)
    assert _bounds(firing_window(_evaluations(seen), of, timing, FIRST + pending_at)) == window


def test_evaluations_of_thirty_seconds_round_for_up_to_ninety() -> None:
    """ceil(F/E)·E, here ceil(70/30)·30."""
    of, timing = rule(for_seconds=70, interval_seconds=30), Timing(15, 30, 70)
    ticks = [Evaluation(FIRST + 30 * n, holds=True, took_place=n != 3) for n in range(6)]
    window = firing_window(ticks, of, timing, FIRST)
    assert _bounds(window) == (90, 120)
    assert window.arithmetic == (
        "pending + ceil(for 70 s / interval 30 s) evaluations = pending + 90 s, + 30 s for skipped evaluations"
    )


@pytest.mark.parametrize(
    ("seen", "keep", "window"),
    [
        # It fires at 1 in all of these. Without keep_firing_for it ends with the first evaluation without the condition.
        ("TTTFFF", 0, (3, 3)),
        ("TTFTTT", 0, (2, 2)),
        # The alert fired, so that evaluation saw the condition.
        ("T?TFFF", 0, (3, 3)),
        # keep_firing_for is rounded up, and counts from the first evaluation without the condition.
        ("TTTFFFFFF", 1, (4, 4)),
        ("TTTFFFFFF", 3, (6, 6)),
        ("TTTFFFFFF", 2.5, (6, 6)),
        # The condition came back meanwhile: the count begins again.
        ("TTTFTFFFFF", 3, (8, 8)),
        # The result of an evaluation is unknown.
        ("TT??FF", 0, (2, 4)),
        ("TTT?FFFFF", 2, (5, 6)),
        ("TTTF?FFFFF", 3, (6, 8)),
        # An evaluation that may have been skipped does not certainly end it, and does not start or stop keep_firing_for.
        ("TTT[F]FF", 0, (3, 4)),
        ("TTT[T]FF", 0, (4, 4)),
        ("TTT[?]FF", 0, (3, 4)),
        ("TTT[F]FFFFF", 2, (5, 6)),
        ("TTTF[F]FFFF", 3, (6, 6)),
        ("TTTFF[F]F", 2, (5, 6)),
        ("TTTF[T]FFFFF", 3, (6, 8)),
        ("TTTF[?]FFFFF", 3, (6, 8)),
        # The recording ends before it is certain.
        ("TTT??", 0, (3, 5)),
        ("TTTFF??", 3, (6, 7)),
    ],
)
def test_an_alert_ends_with_its_condition_or_after_keep_firing_for(
    seen: str, keep: float, window: tuple[float, float]
) -> None:
    of, timing = rule(keep_firing_for_seconds=keep), Timing(1, 1, 0, keep)
    timeline = AlertTimeline({}, FIRST, FIRST + 1, None)
    assert _bounds(resolved_window(_evaluations(seen), of, timing, timeline)) == window


@pytest.mark.parametrize(
    ("seen", "keep", "ended_at", "window"),
    [
        ("TTTTT", 0, None, None),
        ("TTTFF", 3, None, None),
        # An alert that still ended was early: at the first evaluation after the recording the condition may have held.
        ("TTTTT", 0, 3, (5, 5)),
        ("TTTTT", 2, 3, (5, 7)),
    ],
)
def test_an_alert_whose_condition_held_to_the_end_of_the_record_need_not_end(
    seen: str, keep: float, ended_at: float | None, window: tuple[float, float] | None
) -> None:
    of, timing = rule(keep_firing_for_seconds=keep), Timing(1, 1, 0, keep)
    timeline = AlertTimeline({}, FIRST, FIRST + 1, None if ended_at is None else FIRST + ended_at)
    assert _bounds(resolved_window(_evaluations(seen), of, timing, timeline)) == window
