from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.checks.answer import Answer, NotJson


def document(body: bytes) -> object:
    return Answer(200, {}, body, 0.1).document()


def test_a_body_in_json_is_parsed_once() -> None:
    answer = Answer(200, {}, b'{"a": [1]}', 0.1)
    assert answer.document() == {"a": [1]}
    assert answer.document() is answer.document()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "the body is empty, expected JSON"),
        (b"<html>", "the body is not JSON: Expecting value: line 1 column 1"),
        (b'{"a": 1} x', "the body is not JSON: Extra data"),
        (b'{"a": NaN}', "the body is not JSON: NaN is not a JSON number"),
        (b'"\xff"', "the body is not JSON: 'utf-8' codec"),
        (b"[" * 100_000, "the body is not JSON: maximum recursion"),
        (b"1" * 100_000, "the body is not JSON: Exceeds the limit"),
    ],
    ids=["empty", "HTML", "more after it", "NaN", "no UTF-8", "deep", "a long number"],
)
def test_a_body_that_is_not_json_has_a_reason(body: bytes, expected: str) -> None:
    found = document(body)
    assert isinstance(found, NotJson)
    assert found.reason.startswith(expected)


@given(st.binary())
def test_a_body_never_makes_parsing_raise(body: bytes) -> None:
    document(body)
