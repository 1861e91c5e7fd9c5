from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.probes.checks.expected import Expected


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        (3, ["3", "3.0", "3.00", "03"], ["4", "three", "", "nan", "33"]),
        (0.1, ["0.1", "0.10"], ["0.1000000000000000055511151231257827"]),
        (2**63 + 1, [str(2**63 + 1)], [str(2**63)]),
        ("3", ["3"], ["3.0"]),
        (True, ["true"], ["1", "True"]),
        ("ready", ["ready"], ["Ready", "ready "]),
        ({"contains": "OK"}, ["all OK"], ["ok"]),
        ({"matches": "^O.$"}, ["OK"], ["OKAY"]),
        ({"at_least": 1}, ["1", "1e3", "Infinity"], ["0.999", "many", "nan", "-Infinity"]),
        ({"at_most": 1}, ["1", "-7", "-Infinity"], ["1.001", "few", "nan", "Infinity"]),
        ({"at_least": 1, "at_most": 2}, ["1", "2"], ["0", "3", "none"]),
        ({"at_least": 1, "matches": "^.$"}, ["7"], ["77", "x"]),
    ],
)
def test_every_condition_must_hold(expected: Any, right: list[str], wrong: list[str]) -> None:
    read = Expected.model_validate(expected)
    assert [text for text in right if not read.holds(text)] == []
    assert [text for text in wrong if read.holds(text)] == []


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (3, "equals 3"),
        ("OK", "equals OK"),
        (True, "equals true"),
        ({"at_least": 1, "at_most": 2.5}, "is at least 1 and is at most 2.5"),
        ({"contains": "a", "matches": "b"}, "contains a and matches b"),
    ],
)
def test_conditions_have_words(expected: Any, words: str) -> None:
    read = Expected.model_validate(expected)
    assert read.words == words
    assert read.explain("value", "x" * 200) == f"value is {'x' * 80 + '…'!r}, expected one that {words}"


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ({}, "expects nothing, expected a value, or one of equals, contains, matches, at_least and at_most"),
        ({"equals": None}, "null means that nothing is expected"),
        ([1], "[1] is a list, expected a text, a number"),
        ({"matches": "("}, "is not a regular expression"),
        ({"at_lest": 1}, "at_lest"),
    ],
)
def test_wrong_conditions_are_refused(expected: Any, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Expected.model_validate(expected)
    assert problem in str(refused.value)


def test_a_dump_can_be_read_again() -> None:
    for expected in (3, "OK", {"at_least": 1}):
        read = Expected.model_validate(expected)
        assert Expected.model_validate(read.model_dump(exclude_unset=True)) == read
