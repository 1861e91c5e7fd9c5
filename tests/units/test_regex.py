"""Regular expressions that anyone may have written are matched within a fixed time."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from alertdrill.units.regex import matches_whole

ENDLESS = ["(a+)+b", "(a|a)*b", "(.*a){20}b", "(a?){40}a{40}b"]


@pytest.mark.parametrize(("pattern", "text", "expected"), [("a.*|b", "abc", True), ("b", "abc", False), ("", "", True)])
def test_all_of_a_text_must_match(pattern: str, text: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches_whole(pattern, text) is expected


@pytest.mark.parametrize("pattern", ["(", "a{5,1}", "(?P<a>x)(?P<a>y)", "(" * 5_000 + ")" * 5_000])
def test_an_invalid_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is Python's
        matches_whole(pattern, "a")


@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_match_without_end_is_ended(pattern: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="too many ways to match"):
        matches_whole(pattern, "a" * 60)
    assert time.process_time() - began < 2


def test_a_match_without_end_is_ended_in_a_running_loop_as_well() -> None:
    async def match() -> None:
        with pytest.raises(ValueError, match="too many ways to match"):
            matches_whole(ENDLESS[0], "a" * 60)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(match())
