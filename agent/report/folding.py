"""Lines of a summary that are too long for a terminal, folded under their first column."""

from __future__ import annotations

import re

from rich.text import Text

# A name, dots, a colon: what follows are columns, each begun by a space.
_LEADER = re.compile(r"\s*\S.*?\.{3,}: ")
_COLUMN = re.compile(r"(?<= )\S+")


def fold(text: Text, width: int) -> Text:
    """Break lines with columns between those, so that none exceeds `width` cells; other lines stay as they are."""
    folded = Text("\n")
    return folded.join(part for line in text.split("\n", allow_blank=True) for part in _folded(line, width))


def _folded(line: Text, width: int) -> list[Text]:
    leader = _LEADER.match(line.plain)
    if leader is None or len(line) <= width:
        return [line]
    indent = leader.end()
    breaks: list[int] = []
    start = 0
    for column in list(_COLUMN.finditer(line.plain, indent))[1:]:
        if column.end() - start + (indent if breaks else 0) > width:
            start = column.start()
            breaks.append(start)
    parts = list(line.divide(breaks))
    for part in parts:
        part.rstrip()
    return [parts[0], *(Text(" " * indent).append_text(part) for part in parts[1:])]
