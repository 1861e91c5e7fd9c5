from __future__ import annotations

import tracemalloc

import pytest

from alertdrill.units import json_text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[" * 1_000_000, "holds more than 1,000 values"),
        (b"[" * 999, "is nested too deep"),
        (b"[" + b"[]," * 1_000_000 + b"[]]", "holds more than 1,000 values"),
        (b'{"a": ', "Expecting value"),
        (b"9" * 5_000, "Exceeds the limit"),
        (b'"\xff"', "invalid start byte"),
    ],
)
def test_what_cannot_be_read_is_one_error_and_takes_no_memory(content: bytes, problem: str) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=problem):
        json_text.parse(content, most_values=1_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_a_text_up_to_the_limit_is_read() -> None:
    assert json_text.parse(b'[{"a": 1}, 2]', most_values=4) == [{"a": 1}, 2]
