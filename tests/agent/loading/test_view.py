"""The live view of a load shows the tally, within the width of the terminal."""

from __future__ import annotations

import pytest

from alertdrill.agent.loading.view import LoadView
from alertdrill.probes.load.settings import LoadSettings
from alertdrill.probes.load.tally import LoadSecond, Tally

STAGES = {"stages": [{"duration": "100s", "target": 200}, {"duration": "100s", "target": 200}]}

VIEW = """\
payment   stage 1 of 2, 0 → 200/s   2m10s left
━━━━━━━━━━━━━━━━━━━━━╸─────────┼──────────────────────────────
rate        130 of 139/s
latency     p50 0.9 ms   p95 12 ms   p99 1.50 s
sent late   p99 0.21 ms
in flight   12, at most 40
failed      30 (2.00%): timeout 20, reset 6, check 3
dropped     9"""

LINE = (
    "130 of 139/s   p50 0.9 ms   p95 12 ms   p99 1.50 s   late p99 0.21 ms   in flight 12   failed 30   dropped 9"
    "   stage 1 of 2   2m10s left"
)


@pytest.fixture
def tally() -> Tally:
    tally = Tally()
    second = LoadSecond(69, 138.0, 139, 120, 5, 9, 0, 12, 0.0009, 0.012, 1.5, 0.00021)
    tally.seconds += [second]
    tally.succeeded, tally.failed, tally.dropped, tally.most_in_flight = 1470, 30, 9, 40
    tally.reasons.update(bad_answer=1, check=3, timeout=20, reset=6)
    return tally


def _view(tally: Tally, settings: object = STAGES, name: str = "payment") -> LoadView:
    read = LoadSettings.model_validate(settings)
    return LoadView(name, read, read.arrivals(), tally)


def test_the_view_shows_the_stages_and_the_last_second(tally: Tally) -> None:
    """Rate beside target, errors, percentiles, lateness; the three most frequent reasons."""
    assert _view(tally).view(62).plain == VIEW


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(tally: Tally, width: int) -> None:
    """The name is shortened first; the bar has a largest width."""
    lines = _view(tally, name="a-name-" * 30).view(width).plain.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].endswith("…   stage 1 of 2, 0 → 200/s   2m10s left")
    assert len(lines[1]) == min(width, 100)


def test_the_line_says_the_same(tally: Tally) -> None:
    assert _view(tally).line() == LINE


def test_an_endless_load_has_no_bar(tally: Tally) -> None:
    view = _view(tally, {"rate": 139})
    assert view.view(80).plain.splitlines()[:2] == ["payment   139/s   1m10s gone", "rate        130 of 139/s"]
    assert "stage" not in view.line()


def test_transactions_that_a_dead_worker_did_not_send_are_shown(tally: Tally) -> None:
    tally.lost = 7
    assert _view(tally).view(80).plain.splitlines()[-1] == "dropped     9, lost 7"
    assert "dropped 9, lost 7" in _view(tally).line()


def test_before_the_first_second_is_over_no_figure_is_shown() -> None:
    assert _view(Tally()).view(80).plain == "payment   starting …"
    assert not _view(Tally()).line()


def test_control_characters_in_a_name_do_not_reach_the_terminal(tally: Tally) -> None:
    """A file may have any name."""
    assert "\x1b" not in _view(tally, name="\x1b[2Jboom").view(80).plain
