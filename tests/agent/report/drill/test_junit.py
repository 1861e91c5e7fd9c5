"""The JUnit report reads back with the counts that a CI server shows."""

from __future__ import annotations

from dataclasses import replace

from junitparser import Error, Failure, JUnitXml, TestSuite

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill import junit
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Runbook


def _suite(recording: Recording) -> TestSuite:
    (suite,) = JUnitXml.fromstring(junit.render(recording, judge(recording)).encode())
    return suite


def test_a_passed_alert_is_a_passed_case(passed: Recording) -> None:
    """Its time is the time from the fault to firing."""
    suite = _suite(passed)
    (case,) = suite
    assert (suite.name, suite.tests, suite.failures, suite.errors) == ("slow-database", 1, 0, 0)
    assert (suite.time, suite.timestamp) == (140, "2026-09-21T14:13:20+00:00")
    assert case.name == 'OrdersSlow{severity="page"}'
    assert case.is_passed
    assert case.time == 15.2


def test_a_missed_alert_fails_under_the_same_name(missed: Recording) -> None:
    """A case keeps its name, so that a CI server can compare its runs."""
    suite = _suite(missed)
    (case,) = suite
    assert (suite.tests, suite.failures, suite.errors) == (1, 1, 0)
    assert case.name == 'OrdersSlow{severity="page"}'
    (result,) = case.result
    assert isinstance(result, Failure)
    assert result.message == "missed: never crossed: largest value 0.48, at +5.2 s; it fires at > 0.5"


def test_an_inconclusive_alert_is_an_error(inconclusive: Recording) -> None:
    """It is not a failure: nothing is known about the alert."""
    suite = _suite(inconclusive)
    (case,) = suite
    assert (suite.failures, suite.errors) == (0, 1)
    assert isinstance(case.result[0], Error)


def test_text_that_xml_cannot_hold_is_replaced(hostile: Recording) -> None:
    """A control character in a reason does not make the file invalid."""
    (case,) = _suite(hostile)
    assert case.result[0].message.endswith("<script>alert(1)</script>[bold]\ufffd\ufffd")


def test_a_case_has_the_runbook_and_the_dashboard(passed: Recording, missed: Recording) -> None:
    """A CI server shows the text of a case, so its links are there."""
    runbook, dashboard = "https://runbooks.example/OrdersSlow", "https://grafana.example/d/orders"
    for recording in (passed, missed):
        judgement = judge(recording.model_copy(update={"dashboards": {"OrdersSlow": dashboard}}))
        (verdict,) = judgement.verdicts
        judgement = replace(judgement, verdicts=[replace(verdict, runbook=Runbook(runbook))])
        text = junit.render(recording.model_copy(update={"dashboards": {"OrdersSlow": dashboard}}), judgement)
        assert f"runbook: {runbook}\n" in text
        assert f"dashboard: {dashboard}" in text


def test_a_later_try_is_in_the_text_of_its_case(passed: Recording) -> None:
    (case,) = _suite(passed.model_copy(update={"attempt": 2, "time_scale": 7.5}))
    assert case.is_passed
    assert "passed at the second try, alone at time scale 7.5" in str(case.system_out)
