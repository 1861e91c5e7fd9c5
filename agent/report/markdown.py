"""What every page of Markdown is made of: foreign text that stays text, code, and tables."""

from __future__ import annotations

from collections.abc import Iterable

from alertdrill.agent.report.words import printable


def plain(text: str) -> str:
    """Keep a foreign text from being markup, save for code between backticks; it becomes one line."""
    quiet = printable(" ".join(text.split())).replace("``", "''").replace("<", r"\<")
    pieces = quiet.split("`")
    if len(pieces) % 2 == 0:
        return quiet.replace("`", "'")
    # Within code a backslash would be shown.
    return "`".join(
        piece.replace(r"\<", "<") if number % 2 else piece.replace("*", r"\*").replace("_", r"\_").replace("[", r"\[")
        for number, piece in enumerate(pieces)
    )


def code(text: str) -> str:
    """Show a foreign text as code, on one line."""
    return f"`{printable(' '.join(text.split())).replace('`', '')}`"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Draw a table of foreign texts."""
    lines = [head, tuple("---" for _ in head), *(tuple(map(_cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return plain(text).replace("|", r"\|")
