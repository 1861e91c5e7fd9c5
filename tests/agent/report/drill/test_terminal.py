"""The terminal report is complete without colour, in 80 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill import terminal
from alertdrill.agent.verdict.judge import judge


def _print(recording: Recording, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(terminal.render(recording, judge(recording)))
    return out.getvalue()


def test_a_passed_alert_shows_each_milestone_beside_its_window(passed: Recording) -> None:
    """Seconds after the fault, with the lawful window in the same unit."""
    text = _print(passed)
    assert "✓ OrdersSlow passed" in text
    firing = next(line for line in text.splitlines() if line.strip().startswith("firing"))
    assert firing.split() == ["firing", "+15.20", "s", "[15.20", "…", "15.20]", "✓"]
    assert "allowed, and fired: QueueGrows" in text
    assert "p95 24.2 ms in the baseline, 660 ms during the fault" in " ".join(text.split())


def test_a_missed_alert_says_why(missed: Recording) -> None:
    """The reason is below the alert."""
    text = _print(missed)
    assert "slow-database failed" in text
    assert "✗ OrdersSlow missed" in text
    assert "never crossed: largest value 0.48, at +5.2 s; it fires at > 0.5" in text


def test_what_undermines_a_drill_is_shown(inconclusive: Recording) -> None:
    """A question mark, and the reason."""
    text = _print(inconclusive)
    assert "? OrdersSlow inconclusive" in text
    assert "undermined by: the drill was broken off: somebody pressed Ctrl-C" in text


def test_what_came_of_a_fault_is_shown_once(passed: Recording) -> None:
    """A fault without an outcome adds no line, and a repeated one adds one."""
    assert "fault: " not in _print(passed)
    fault = passed.faults[0].model_copy(update={"outcome": "cannot be read back"})
    text = " ".join(_print(passed.model_copy(update={"faults": [fault, fault]})).split())
    assert text.count("fault: latency on proxy postgres (downstream): cannot be read back") == 1


@pytest.mark.parametrize("width", [80, 100])
def test_a_pipe_gets_plain_text_that_fits(passed: Recording, width: int) -> None:
    """No escape codes, no line beyond the width, no cell cut."""
    text = _print(passed, width)
    assert not {"\x1b", "\x00"} & set(text)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert text.count("…") == 5  # one in each window, none for a cut


def test_foreign_text_is_neither_markup_nor_escape_code(hostile: Recording) -> None:
    """Text that looks like rich's markup is printed unchanged."""
    text = _print(hostile)
    assert "[bold]" in text
    assert not {"\x1b", "\x00"} & set(text)


def test_a_later_try_is_in_the_heading(passed: Recording) -> None:
    text = _print(passed.model_copy(update={"attempt": 2, "time_scale": 15.0}), width=120)
    assert text.startswith("slow-database passed at the second try, alone at time scale 15  2026-")
