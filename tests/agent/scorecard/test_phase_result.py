"""A phase passes when its hold has no failure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.scorecard.card import Reading, Score
from alertdrill.agent.scorecard.phase_result import PhaseResult, highest_passed, result
from alertdrill.probes.figures.thresholds import Thresholds
from alertdrill.probes.load.phases import PhaseSettings
from alertdrill.probes.load.second_counter import Samples, SecondCounts
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.outcome import Counted

PHASE = PhaseSettings.model_validate({"phase": "phase 1", "to": 100, "hold": "2s"})
THRESHOLDS: Thresholds = TypeAdapter(Thresholds).validate_python({"http_req_duration": ["p(95)<2s"]})
CPU = Kpi(kpi="CPU usage", series="cpu", objective="< 80", unit="%")


def judged(*, ended: int = 100, failed: int = 0, dropped: int = 0, seconds: float = 0.01) -> PhaseResult:
    """Judge two seconds with a hundred transactions due in each, of these latencies in seconds."""
    tally = Tally()
    for offset in range(2):
        counts = SecondCounts(offset, due=100, ended=ended, failed=failed, dropped=dropped, refused_requests=failed)
        for name in ("latencies", "durations"):
            samples = Samples(sum_seconds=seconds * ended)
            samples.counts[round(seconds * 1e6)] = ended
            setattr(counts, name, samples)
        tally.add(counts)
    return result(PHASE, tally, [Counted("order", ())], THRESHOLDS)


def test_the_figures_are_of_the_hold_alone() -> None:
    one = judged(failed=5)
    assert (one.name, one.rate, one.seconds) == ("phase 1", 100, 2)
    assert (one.asked_rate, one.achieved_rate, one.failed_share) == (100, 100, 0.05)
    assert one.p95_seconds == pytest.approx(0.01, rel=1e-3)
    assert one.passed


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (judged(seconds=3), "http_req_duration p(95)<2s: p(95)=3s"),
        (judged(ended=90), "answered 90 of 100 a second"),
        (judged(dropped=20), "the load dropped 40 of 200 transactions, more than 1 %"),
        (replace(judged(), scores=(Score(CPU, "cpu", (Reading(70), Reading(91.5))),)), "CPU usage < 80: 91.5"),
    ],
    ids=["a threshold", "answers", "the load itself", "a KPI of the server"],
)
def test_each_failure_of_a_phase_is_named(one: PhaseResult, text: str) -> None:
    assert text in one.failures
    assert not one.passed


def test_an_unknown_kpi_is_noted_and_is_not_a_failure() -> None:
    scores = (Score(CPU, "cpu", ()), Score(CPU, "cpu", (Reading(1),)))
    one = replace(judged(), scores=scores, problem="Prometheus cannot be reached")
    assert one.passed
    assert one.notes == ("Prometheus cannot be reached", "no data of CPU usage")
    assert replace(one, scores=scores[:1]).notes[1] == "no data of any KPI: was the service scraped?"


def test_the_highest_phase_is_the_last_before_one_that_did_not_pass() -> None:
    """A later phase that passed does not count."""
    good, bad = judged(), judged(seconds=3)
    assert highest_passed([replace(good, name="a"), replace(good, name="b"), bad, good]) == replace(good, name="b")
    assert highest_passed([bad, good]) is None
    assert highest_passed([]) is None
