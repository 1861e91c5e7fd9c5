"""The parts of the time from fault to receiver, on one axis."""

from __future__ import annotations

from itertools import pairwise

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill.waterfall import parts
from alertdrill.agent.verdict.judge import judge


def test_the_parts_follow_one_another_without_a_gap(passed: Recording) -> None:
    judgement = judge(passed)
    laid_out = parts(judgement.verdicts[0], judgement.fault_at)
    assert [row.name for row in laid_out] == ["first bad scrape", "condition", "pending", "firing", "received"]
    for before, after in pairwise(laid_out):
        assert after.bar.left == pytest.approx(before.bar.left + before.bar.width, abs=0.5)
    assert sum(row.seconds for row in laid_out) == pytest.approx(17.3)


def test_each_bar_ends_inside_the_window_beside_it(passed: Recording) -> None:
    judgement = judge(passed)
    for row in parts(judgement.verdicts[0], judgement.fault_at):
        assert row.bar.left >= 0
        assert row.bar.left + row.bar.width <= 100.5
        if row.window is not None and row.lawful:
            end = row.bar.left + row.bar.width
            assert row.window.left - 0.5 <= end <= row.window.left + row.window.width + 0.5


def test_a_silent_alert_has_no_parts(missed: Recording) -> None:
    judgement = judge(missed)
    assert parts(judgement.verdicts[0], judgement.fault_at) == ()
