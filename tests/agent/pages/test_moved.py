"""By how much the steps of an alert moved between two runs, and that the page of a run says so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alertdrill.agent.api.wire import Verdict
from alertdrill.agent.pages.moved import Moved, moved
from alertdrill.agent.recording.recording import Recording
from tests.support.served_agent import shown

STEPS = ("pending", "firing", "notified", "resolved")


def _verdict(day: int, seconds: dict[str, float], alert: str = "Slow", *, expected: bool = True) -> Verdict:
    """Tell of an alert in a run of some day; each step came so many seconds after the fault."""
    fault_at = datetime(2026, 9, day, tzinfo=UTC)
    instants = {
        f"{step}_at": fault_at + timedelta(seconds=seconds[step]) if step in seconds else None for step in STEPS
    }
    return Verdict(
        alert=alert,
        labels={},
        outcome="passed",
        reason="",
        explanation="",
        expected=expected,
        fault_at=fault_at,
        **instants,
    )


@pytest.mark.parametrize(
    ("before", "now", "row"),
    [
        (10.0, 8.0, ("10.0 s", "8.0 s", "-2.0 s", "good")),
        (10.0, 12.5, ("10.0 s", "12.5 s", "+2.5 s", "bad")),
        (10.0, 11.0, ("10.0 s", "11.0 s", "+1.0 s", "bad")),
        (10.0, 10.9, ("10.0 s", "10.9 s", "+0.9 s", "soft")),
        (10.0, 9.1, ("10.0 s", "9.1 s", "-0.9 s", "soft")),
        (10.0, 10.0, ("10.0 s", "10.0 s", "+0.0 s", "soft")),
        (None, 10.0, ("not seen", "10.0 s", "—", "unsure")),
        (10.0, None, ("10.0 s", "not seen", "—", "unsure")),
        (-3.0, 0.5, ("-3.0 s", "0.5 s", "+3.5 s", "bad")),
    ],
)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_came_earlier_or_later_or_was_not_seen(
    step: str, before: float | None, now: float | None, row: tuple[str, str, str, str]
) -> None:
    old, new = ({} if at is None else {step: at} for at in (before, now))
    assert moved([_verdict(1, old)], [_verdict(5, new)]) == [Moved("Slow", step, *row)]


def test_what_neither_run_saw_has_no_row() -> None:
    assert moved([_verdict(1, {})], [_verdict(2, {})]) == []
    assert moved([], []) == []


def test_an_alert_that_one_of_the_runs_expects_is_listed_with_its_steps_in_order() -> None:
    fires = {"firing": 8.0, "pending": 3.0}
    rows = moved([_verdict(1, fires, "B")], [_verdict(2, fires, "A"), _verdict(2, fires, "C", expected=False)])
    assert [(row.alert, row.step, row.before, row.now) for row in rows] == [
        ("A", "pending", "not seen", "3.0 s"),
        ("A", "firing", "not seen", "8.0 s"),
        ("B", "pending", "3.0 s", "not seen"),
        ("B", "firing", "8.0 s", "not seen"),
    ]


def test_of_two_verdicts_on_one_alert_the_first_is_compared() -> None:
    twice = [_verdict(2, {"firing": 8.0}), _verdict(2, {"firing": 99.0})]
    assert moved(twice, twice) == [Moved("Slow", "firing", "8.0 s", "8.0 s", "+0.0 s", "soft")]


async def test_the_page_of_a_run_says_what_moved(tmp_path: Path, passed: Recording) -> None:
    (fault,) = passed.faults
    sooner = fault.model_copy(update={"injected_at": fault.injected_at - 2})
    before = passed.model_copy(update={"started_at": passed.started_at - 86_400, "faults": [sooner]})
    async with shown(tmp_path, before, passed) as one:
        newest, oldest = (await one.get("/runs"))[1]["items"]
        _, text, _ = await one.ask("GET", f"/runs/{newest['id']}")
        rows = [re.sub(r"<[^>]*>", " ", row).split() for row in re.findall(r"<tr><td>OrdersSlow.*?</tr>", text)]
        assert ["OrdersSlow", "firing", "17.2", "s", "15.2", "s", "-2.0", "s"] in rows
        assert '<td data-label="moved by" class="right number good">-2.0 s</td>' in text
        assert f'<a href="/runs/{oldest["id"]}">' in text
        _, text, _ = await one.ask("GET", f"/runs/{oldest['id']}")
        assert "There is no earlier run of this drill at this time scale." in text
