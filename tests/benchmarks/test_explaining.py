"""A sample of the proof that what explain foretells comes true; `make explain-proof` draws thousands."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmarks.explaining.drawn import KINDS
from benchmarks.explaining.proof import Foretold, Proof, contradictions, foretell, prove, simulate

GRID = (15.0, 15.0)


@pytest.fixture(scope="module")
def proof() -> Proof:
    return prove(300, seed=5, at_once=100)


def test_no_drawn_rule_contradicts_what_explain_says_of_it(proof: Proof) -> None:
    assert (proof.contradictions, proof.unknown) == ([], 0)


def test_rules_of_every_kind_fire(proof: Proof) -> None:
    """Else their windows would prove nothing."""
    assert len(proof.fired) >= len(KINDS)
    assert {kind for kind, fired in proof.fired.items() if not fired} == {"never true"}


def _shifted(one: Foretold, by: float) -> Foretold:
    legs = tuple(replace(leg, earliest=leg.earliest + by, latest=leg.latest + by) for leg in one.prospect.legs)
    return replace(one, prospect=replace(one.prospect, legs=legs))


def test_wrong_windows_are_found() -> None:
    draw = random.Random(3)  # noqa: S311 - a draw that can be repeated
    drawn = [foretell(draw, number, GRID) for number in range(60)]
    seen = simulate(drawn, GRID)
    for by in (-100.0, 700.0):
        assert any(list(contradictions(_shifted(one, by), seen[one.number])) for one in drawn)
    assert not any(list(contradictions(one, seen[one.number])) for one in drawn)
