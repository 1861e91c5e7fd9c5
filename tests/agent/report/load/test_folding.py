"""A line that is too long for a terminal continues below its first column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from alertdrill.agent.report.load.summary import fold

TREND = "    latency...: avg=2.85ms min=229µs  p(95)=1.79ms"


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (50, [TREND]),
        (49, ["    latency...: avg=2.85ms min=229µs", "                p(95)=1.79ms"]),
        (30, ["    latency...: avg=2.85ms", "                min=229µs", "                p(95)=1.79ms"]),
        (10, ["    latency...: avg=2.85ms", "                min=229µs", "                p(95)=1.79ms"]),
    ],
)
def test_columns_that_do_not_fit_go_below(width: int, lines: list[str]) -> None:
    assert fold(Text(TREND), width).plain.split("\n") == lines


def test_a_detail_is_folded_between_words() -> None:
    line = "      { timeout }...: 12 no answer within 30s"
    assert fold(Text(line), 34).plain.split("\n") == ["      { timeout }...: 12 no answer", " " * 22 + "within 30s"]


def test_lines_without_columns_stay_as_they_are() -> None:
    text = "  █ THRESHOLDS\n\n    ✓ 'p(95)<2s' p(95)=1.79ms and more than fits"
    assert fold(Text(text), 20).plain == text


def test_folding_keeps_the_colour_of_each_word() -> None:
    line = Text.assemble("    latency...: avg=", ("2.85ms", "cyan"), " min=", ("229µs", "red"))
    folded = fold(line, 30)
    coloured = {str(span.style): folded.plain[span.start : span.end] for span in folded.spans}
    assert coloured == {"cyan": "2.85ms", "red": "229µs"}


@given(columns=st.lists(st.text("abc=1.", min_size=1, max_size=12), min_size=1, max_size=12), width=st.integers(1, 90))
def test_folding_loses_no_word_and_exceeds_the_width_only_for_long_words(columns: list[str], width: int) -> None:
    line = f"    name...: {' '.join(columns)}"
    lines = fold(Text(line), width).plain.split("\n")
    assert " ".join(lines).split() == line.split()
    for part in lines:
        assert len(part) <= width or len(part.removeprefix("    name...:").split()) == 1
