"""Wrapped texts and tables for a terminal."""

from __future__ import annotations

import io
from functools import partial

import pytest
from rich.cells import cell_len
from rich.console import Console

from alertdrill.agent.report.terminal_rows import Column, Piece, RenderedLines, paragraph, table

COLUMNS = (Column("name"), Column("s", is_number=True), Column("", style="dim"))


def printed(lines: RenderedLines, width: int, *, colours: bool = False) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colours, color_system="standard" if colours else None)
    console.print(lines, crop=False, end="")
    return out.getvalue().split("\n")[:-1]


def wrapped(text: str, width: int) -> list[str]:
    return printed(RenderedLines(partial(paragraph, [(text, "")])), width)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [""]),
        ("one two", ["one two"]),
        ("one two three four", ["one two", "three four"]),
        ("0123456789abcdef end", ["0123456789", "abcdef end"]),
        ("a 0123456789abcdef", ["a", "0123456789", "abcdef"]),
        ("漢字漢字漢字 漢字", ["漢字漢字漢", "字 漢字"]),
        ("first\nsecond", ["first", "second"]),
    ],
)
def test_a_text_is_wrapped_at_words_and_a_long_word_is_divided(text: str, expected: list[str]) -> None:
    assert wrapped(text, 10) == expected


def test_no_character_is_lost_or_added() -> None:
    text = "up{job='漢字'} > 3 and on (instance) depth_of_the_longest_queue_of_all > 1.5e9"
    for width in range(8, 90):
        lines = wrapped(text, width)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert max(map(cell_len, lines)) <= width


def test_a_table_fits_and_its_numbers_stand_at_the_right() -> None:
    rows: list[tuple[str | Piece, ...]] = [("first", "1m", "a long sentence that is wrapped"), (("end", "dim"), "", "")]
    assert printed(RenderedLines(partial(table, COLUMNS, rows, indent=2)), 30) == [
        "  name    s",
        "  first  1m  a long sentence",
        "             that is wrapped",
        "  end",
    ]


def test_a_style_is_of_its_own_text_alone() -> None:
    lines = printed(RenderedLines(partial(paragraph, [("! ", "yellow"), ("text", "")])), 30, colours=True)
    assert lines == ["\x1b[33m! \x1b[0mtext"]
