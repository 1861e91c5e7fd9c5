"""Texts for people: a list of many names has a count."""

from __future__ import annotations

import pytest

from alertdrill.units.text import some_of


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, ""),
        (1, "a0"),
        (6, "a0, a1, a2, a3, a4, a5"),
        (7, "a0, a1, a2, a3, a4 and 2 more"),
        (5000, "a0, a1, a2, a3, a4 and 4,995 more"),
    ],
)
def test_of_many_names_only_the_first_are_told(count: int, told: str) -> None:
    assert some_of([f"a{n}" for n in range(count)]) == told
