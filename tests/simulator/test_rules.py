"""The states of one alert, as a row of evaluations: `x` if the condition holds, `.` if not."""

from __future__ import annotations

import pytest

from simulator import MUTANTS, Compare, Rule, Selector
from simulator.rules import RESOLVED_RETENTION, AlertingRule
from simulator.values import labels_of, series_of

E = 10_000
FOUND = series_of("depth", job="api")


def machine(hold: int = 0, keep: int = 0, engine: str = "") -> AlertingRule:
    rule = Rule("Deep", Compare(Selector("depth"), ">", 1), hold, keep, labels_of(severity="page"))
    return (MUTANTS[engine].machine if engine else AlertingRule)(rule, E)


def life(row: str, hold: int = 0, keep: int = 0, engine: str = "") -> str:
    """Play a row; returns `p` while the alert is pending, `F` while it fires."""
    rule, states = machine(hold, keep, engine), ""
    for index, held in enumerate(row):
        alerts = rule.evaluate(E * index, {FOUND} if held == "x" else set())
        states += {"pending": "p", "firing": "F"}[alerts[0].state.value] if alerts else "."
    return states


@pytest.mark.parametrize(
    ("row", "hold", "keep", "expected"),
    [
        (".xxx..", 0, 0, ".FFF.."),
        (".xxx..", 1, 0, ".pFF.."),
        (".xxx..", E, 0, ".pFF.."),
        (".xxx..", E + 1, 0, ".ppF.."),
        (".xxx..", 2 * E, 0, ".ppF.."),
        (".xxx..", 2 * E + 1, 0, ".ppp.."),
        (".xx.xxx.", 2 * E, 0, ".pp.ppF."),
        ("xx....", 0, 1, "FFF..."),
        ("xx....", 0, E, "FFF..."),
        ("xx.....", 0, E + 1, "FFFF..."),
        ("xx.x.xx....", E, 2 * E, "pFFFFFFFF.."),
        ("x...xx", 0, E, "FF..FF"),
        ("x..xxx", E, 3 * E, "p..pFF"),
    ],
)
def test_states_are_those_of_prometheus(row: str, hold: int, keep: int, expected: str) -> None:
    assert life(row, hold, keep) == expected


@pytest.mark.parametrize(
    ("engine", "row", "hold", "keep", "expected"),
    [
        ("fires-early", ".xxxx.", 2 * E, 0, ".pFFF."),
        ("fires-late", ".xxxx.", E, 0, ".ppFF."),
        ("fires-late", ".xxxx.", 0, 0, ".pFFF."),
        ("forgets-no-gap", ".x.xxx.", 2 * E, 0, ".p.FFF."),
        ("ignores-keep-firing-for", "xx...", 0, 2 * E, "FF..."),
        ("keeps-firing-too-long", "xx....", 0, 2 * E, "FFFFF."),
        ("keeps-firing-too-long", "xx....", 0, 0, "FFF..."),
        ("ignores-for", ".xxx.", 2 * E, 0, ".FFF."),
        ("greater-than", ".xxxx.", 2 * E, 0, ".pppF."),
        ("greater-than", ".xxxx.", 2 * E - 1, 0, ".ppFF."),
        ("greater-than", ".xxxx.", 0, 0, ".pFFF."),
    ],
)
def test_each_wrong_machine_has_its_own_mistake(engine: str, row: str, hold: int, keep: int, expected: str) -> None:
    assert life(row, hold, keep, engine) == expected
    assert life(row, hold, keep) != expected or engine == "greater-than"


def test_a_machine_that_loses_pending_begins_again_halfway() -> None:
    row = "." + "x" * 30
    assert life(row, 8 * E) == "." + "p" * 8 + "F" * 22
    assert life(row, 8 * E, engine="loses-pending") != life(row, 8 * E)


def test_an_alert_has_the_labels_of_its_series_without_the_name_and_those_of_the_rule() -> None:
    rule = machine()
    assert rule.evaluate(0, {FOUND})[0].labels == labels_of(alertname="Deep", job="api", severity="page")


def test_a_firing_alert_is_sent_again_strictly_after_the_delay() -> None:
    """With evaluations every 30 s and a delay of one minute the gap is 90 s."""
    rule = machine()
    sent = []
    for at in range(0, 300_000, 30_000):
        rule.evaluate(at, {FOUND})
        sent += [at for _ in rule.to_send(at, 60_000)]
    assert sent == [0, 90_000, 180_000, 270_000]


def test_a_pending_alert_is_never_sent() -> None:
    rule = machine(hold=E)
    rule.evaluate(0, {FOUND})
    assert rule.to_send(0, 60_000) == []
    rule.evaluate(E, set())
    assert rule.to_send(E, 60_000) == []


def test_a_resolved_alert_is_sent_at_once_and_again_for_a_quarter_of_an_hour() -> None:
    rule = machine()
    rule.evaluate(0, {FOUND})
    assert [(alert.starts_at, alert.ends_at) for alert in rule.to_send(0, 60_000)] == [(0, 240_000)]
    sent = []
    for at in range(E, RESOLVED_RETENTION + 200_000, E):
        rule.evaluate(at, set())
        sent += [(at, alert.ends_at) for alert in rule.to_send(at, 60_000)]
    assert sent[0] == (E, E)
    assert {ends_at for _, ends_at in sent} == {E}
    assert sent[1][0] == E + 70_000
    assert RESOLVED_RETENTION - 70_000 < sent[-1][0] - E <= RESOLVED_RETENTION
