"""Wrapped texts and tables for a terminal, made of lines that are ready to print.

Rich measures and wraps each cell of a table many times, seven milliseconds for one rule's tables. Here each cell is
measured once, so that ten thousand rules take seconds.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

Piece = tuple[str, str]
"""A text, and its style as Rich names it."""
Line = tuple[Piece, ...]
_KEPT = 512
_GAP = 2
_NARROWEST = 8
_LINE = re.compile("^.*$", re.MULTILINE)


@dataclass(frozen=True)
class Column:
    """A column of a table: a number stands at the right and is never wrapped."""

    head: str
    is_number: bool = False
    style: str = ""


@dataclass(frozen=True)
class RenderedLines:
    """The lines that a function makes for the width of a terminal, as Rich prints them."""

    made: Callable[[int], Iterable[Iterable[Piece]]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the pieces, those without a style joined across lines."""
        if console.color_system is None:
            # Rich would take each style away again.
            texts = ("".join([text for text, _ in line]) for line in self.made(options.max_width))
            yield Segment("".join([f"{text}\n" for text in texts]))
            return
        plain: list[str] = []
        for line in self.made(options.max_width):
            for text, style in line:
                if style:
                    yield Segment("".join(plain))
                    plain.clear()
                    yield Segment(text, Style.parse(style))
                else:
                    plain.append(text)
            plain.append("\n")
        yield Segment("".join(plain))


def paragraph(pieces: Sequence[Piece], width: int, indent: int = 0) -> Sequence[Line]:
    """Return the lines of a text, wrapped at words."""
    return _paragraph(tuple(pieces), width, indent)


def table(
    columns: tuple[Column, ...], rows: Iterable[Sequence[str | Piece]], width: int, indent: int = 0
) -> Sequence[Line]:
    """Return the lines of a table: its head, and its rows as high as the wrapped texts in them.

    A cell that is a piece has that style instead of its column's.
    """
    return _table(columns, tuple(map(tuple, rows)), width, indent)


# Rules of one file have many tables and remarks in common.
@lru_cache(maxsize=_KEPT)
def _paragraph(pieces: tuple[Piece, ...], width: int, indent: int) -> Sequence[Line]:
    whole = "".join([text for text, _ in pieces])
    margin = ((" " * indent, ""),) if indent else ()
    return [(*margin, *_cut(pieces, start, end)) for start, end in _spans(whole, width - indent)]


@lru_cache(maxsize=_KEPT)
def _table(
    columns: tuple[Column, ...], rows: tuple[tuple[str | Piece, ...], ...], width: int, indent: int
) -> Sequence[Line]:
    return list(_table_lines(columns, rows, width, indent))


def _table_lines(
    columns: Sequence[Column], rows: Iterable[Sequence[str | Piece]], width: int, indent: int
) -> Iterator[Line]:
    head = [(column.head, "dim") for column in columns]
    body = [[_styled(cell, column) for cell, column in zip(row, columns, strict=True)] for row in rows]
    gaps = [_GAP] * (len(columns) - 1) + [0]
    natural = [
        max([_cells(text) for text, _ in cells]) + gap
        for cells, gap in zip(zip(head, *body, strict=True), gaps, strict=True)
    ]
    shrunk = _shrunk(natural, [not column.is_number for column in columns], width - indent)
    widths = [most - gap for most, gap in zip(shrunk, gaps, strict=True)]
    for row in (head, *body):
        wrapped = [
            [text] if column.is_number else [text[start:end] for start, end in _spans(text, most)]
            for (text, _), column, most in zip(row, columns, widths, strict=True)
        ]
        for texts in zip_longest(*wrapped, fillvalue=""):
            yield tuple(_row_line(texts, [style for _, style in row], columns, widths, indent))


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return len(text) if text.isascii() and text.isprintable() else cell_len(text)


def _styled(cell: str | Piece, column: Column) -> Piece:
    return (cell, column.style) if isinstance(cell, str) else cell


def _row_line(
    texts: Sequence[str], styles: Sequence[str], columns: Sequence[Column], widths: Sequence[int], indent: int
) -> Iterator[Piece]:
    """Yield the pieces of one line; nothing follows its last text."""
    blank = indent
    for text, style, column, width in zip(texts, styles, columns, widths, strict=True):
        left = width - _cells(text)
        blank += left if column.is_number else 0
        if text:
            yield " " * blank, ""
            yield text, style
            blank = 0
        blank += _GAP + (0 if column.is_number else left)


def _shrunk(widths: list[int], can_wrap: Sequence[bool], most: int) -> list[int]:
    """Return widths that fit together: the widest of those that can be wrapped are reduced, all to the same width."""
    while (excess := sum(widths) - most) > 0:
        widest = max((width for width, can in zip(widths, can_wrap, strict=True) if can), default=0)
        if widest <= _NARROWEST:
            break
        at = [index for index, can in enumerate(can_wrap) if can and widths[index] == widest]
        next_widest = max(
            (width for width, can in zip(widths, can_wrap, strict=True) if can and width < widest), default=0
        )
        for left, index in zip(range(len(at), 0, -1), at, strict=True):
            cut = min(round(excess / left), widest - max(next_widest, _NARROWEST))
            widths[index] -= cut
            excess -= cut
    return widths


def _spans(text: str, width: int) -> Iterable[tuple[int, int]]:
    """Return the start and the end of each line of a text; a word that is longer than a line is divided."""
    cells, most = _cells(text), max(width, _NARROWEST)
    if cells <= most and "\n" not in text:
        return ((0, len(text)),)
    return _divided(text, most, is_plain=cells == len(text))


def _divided(text: str, most: int, *, is_plain: bool) -> Iterator[tuple[int, int]]:
    for line in _LINE.finditer(text):
        start, end = line.span()
        while (full := min(start + most, end) if is_plain else _fitting(text, start, end, most)) < end:
            space = text.rfind(" ", start, full + 1)
            full = space if space > start else full
            yield start, full
            start = full + (text[full] == " ")
        yield start, end


def _fitting(text: str, start: int, end: int, width: int) -> int:
    """Return where a line must end if some of its characters take two cells, or none."""
    cells = accumulate(map(cell_len, text[start : min(start + width, end)]))
    return start + max(bisect_right(list(cells), width), 1)


def _cut(pieces: Iterable[Piece], start: int, end: int) -> Iterator[Piece]:
    """Yield a part of the text of some pieces."""
    for text, style in pieces:
        part = text[max(start, 0) : max(end, 0)]
        if part:
            yield part, style
        start, end = start - len(text), end - len(text)
