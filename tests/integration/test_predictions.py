"""Predicted against observed, on a real Prometheus and a real Alertmanager: every kind of rule, every broken link."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome
from benchmarks.predictions.cases import Case, cases
from benchmarks.predictions.run import Result, run_cases
from benchmarks.predictions.stage import Programs
from benchmarks.predictions.table import rows
from tests.support import monitoring_servers as servers

CASES = cases()


async def undisturbed(written: Sequence[Case], programs: Programs, is_right: Callable[[Result], bool]) -> Result:
    """Run the cases, and more slowly again if the machine kept Prometheus from its schedule and something is wrong.

    Such a run proves nothing. What is wrong in an undisturbed run is wrong.
    """
    for slowness in (1, 2, 4, 8):
        result = await run_cases(written, programs, slowness=slowness)
        if is_right(result) or not is_spoilt(result):
            break
    return result


def is_spoilt(result: Result) -> bool:
    has_no_verdict = any(verdict.outcome is VerdictOutcome.INCONCLUSIVE for verdict in result.verdicts.values())
    return has_no_verdict or bool(result.disturbances)


def wrong(result: Result) -> dict[str, object]:
    """Return what is wrong with the verdict or the instants of each case."""
    found = {row.case.alert: row for row in rows(result)}
    judged = {name: (row.verdict, row.case.says) for name, row in found.items() if not row.is_judged_right}
    off = {name: row.exact_ms for name, row in found.items() if row.exact_ms and row.exact_ms > 5}
    unforetold = {name: (row.firing, row.firing_seen) for name, row in found.items() if not row.is_as_predicted}
    return judged | off | unforetold


@pytest.fixture(scope="module")
async def result() -> Result:
    return await undisturbed(CASES, Programs.installed(), lambda result: not wrong(result))


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert len({case.alert for case in CASES}) == len(CASES)


def test_every_link_is_broken_for_real_and_its_words_are_held_to() -> None:
    """A link without a case here has never been seen broken.

    `never_pending` takes samples that come later than their timestamps say: no rule engine that works skips a
    condition that it saw.
    """
    assert {case.link for case in CASES if case.link} == set(ChainLink)
    assert [case.alert for case in CASES if case.link and not case.says] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_each_verdict_is_what_it_must_be_and_for_the_right_reason(result: Result, case: Case) -> None:
    (row,) = [row for row in rows(result) if row.case.alert == case.alert]
    assert row.is_judged_right, (row.verdict, row.case.says)


async def test_the_newer_servers_break_every_link_as_well() -> None:
    """There a time interval is told by the server, and durations are calculated with, which our parser cannot read."""
    new = servers.find("new")
    programs = Programs(new.prometheus, new.alertmanager)
    named_by_others = {"DownFor0", "Summed"}
    chosen = [case for case in cases(programs.major) if case.says or case.alert in named_by_others]

    def misjudged(result: Result) -> list[object]:
        return [(row.verdict, row.case.says) for row in rows(result) if not row.is_judged_right]

    assert misjudged(await undisturbed(chosen, programs, lambda result: not misjudged(result))) == []


def test_with_the_phases_known_every_instant_is_exact(result: Result) -> None:
    """Pending, firing and resolved lie at the very evaluation that the windows name: no case is 5 ms off."""
    off = {row.case.alert: row.exact_ms for row in rows(result) if row.exact_ms}
    assert {alert: ms for alert, ms in off.items() if ms > 5} == {}


def test_from_the_fault_alone_each_firing_is_foretold_to_a_scrape_and_an_evaluation(result: Result) -> None:
    fired = [row for row in rows(result) if row.firing is not None and row.firing_seen is not None]
    assert len(fired) >= 45
    assert [row.case.alert for row in fired if not row.is_as_predicted] == []


async def test_a_restart_within_for_is_told_and_blames_nobody() -> None:
    """Killed 2 s into the fault, with `for: 2s` below the grace period: pending begins again."""
    chosen = [case for case in CASES if case.alert in {"AboveForMultiple", "RatioForMultiple"}]
    found = await run_cases(chosen, Programs.installed(), restart=True)
    for case in chosen:
        verdict = found.verdicts[case.alert]
        assert verdict.outcome is VerdictOutcome.INCONCLUSIVE
        assert "Prometheus was restarted" in verdict.reason
        assert "began again from 0" in verdict.reason
