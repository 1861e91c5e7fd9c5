"""The parts of every Markdown page: text from outside that stays text, code, and tables."""

from __future__ import annotations

from collections.abc import Iterable

from alertdrill.agent.report.words import printable


def plain(text: str) -> str:
    """Escape a text from outside, except code between backticks, and put it on one line."""
    quiet = printable(" ".join(text.split())).replace("``", "''").replace("<", r"\<")
    pieces = quiet.split("`")
    if len(pieces) % 2 == 0:
        return quiet.replace("`", "'")
    # Code would show the backslash.
    return "`".join(
        piece.replace(r"\<", "<") if number % 2 else piece.replace("*", r"\*").replace("_", r"\_").replace("[", r"\[")
        for number, piece in enumerate(pieces)
    )


def code(text: str) -> str:
    """Format a text from outside as code, on one line."""
    return f"`{printable(' '.join(text.split())).replace('`', '')}`"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Format a table of texts from outside."""
    lines = [head, tuple("---" for _ in head), *(tuple(map(_cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return plain(text).replace("|", r"\|")
