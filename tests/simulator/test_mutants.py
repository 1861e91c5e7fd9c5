from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from simulator import MUTANTS, Case, Truth
from simulator.drawn import cases, draw_many


@pytest.fixture(scope="module")
def drawn() -> dict[Case, Truth]:
    return {case: case.run() for case in draw_many(cases(), 300)}


@pytest.mark.parametrize("name", MUTANTS)
def test_some_cases_distinguish_every_wrong_engine_from_the_right_one(name: str, drawn: dict[Case, Truth]) -> None:
    differing = (case for case, right in drawn.items() if case.run(MUTANTS[name]) != right)
    assert len(list(islice(differing, 3))) == 3


def test_without_for_nothing_can_be_done_wrong_about_it(drawn: dict[Case, Truth]) -> None:
    for case in list(drawn)[:50]:
        without = replace(case, rule=replace(case.rule, hold=0))
        for name in ("fires-early", "ignores-for", "loses-pending", "forgets-no-gap"):
            assert without.run(MUTANTS[name]) == without.run()


@pytest.mark.parametrize("name", ["before-group-wait", "twice-the-wait", "forgets-notification"])
def test_a_wrong_alertmanager_changes_notifications_alone(name: str, drawn: dict[Case, Truth]) -> None:
    for case, right in list(drawn.items())[:50]:
        assert replace(case.run(MUTANTS[name]), notifications=()) == replace(right, notifications=())
