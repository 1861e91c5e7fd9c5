from __future__ import annotations

import pytest

from tools.fuzz import TARGETS, fuzz


@pytest.mark.parametrize("name", TARGETS)
def test_broken_inputs_are_read_or_refused(name: str) -> None:
    """A short run of `make fuzz`."""
    assert fuzz(name, inputs=150, seconds=60, seed=2026) == []


def test_a_mistake_is_a_finding_that_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setitem(TARGETS, "broken", broken)
    assert fuzz("broken", inputs=2, seconds=60, seed=7) == [
        "7:broken:0: RecursionError: 'too deep'",
        "7:broken:1: RecursionError: 'too deep'",
    ]
