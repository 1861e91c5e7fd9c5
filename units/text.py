"""Texts from outside: what must not be in them, and how to show them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

_UTC = "%Y-%m-%dT%H:%M:%SZ"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MOST_NAMES = 5
_LINES = frozenset("\t\n\r")


def one_line(text: object) -> str:
    """Return a text as one line, without characters that are not printable."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())


def utc_text(instant: datetime) -> str:
    """Format an instant in UTC, to the second; such texts have the order of their instants."""
    return instant.astimezone(UTC).strftime(_UTC)


def utc_instant(text: str) -> datetime:
    """Return the instant of a text that `utc_text` wrote; raises ValueError."""
    try:
        return datetime.strptime(text, _UTC).replace(tzinfo=UTC)
    except ValueError as error:
        msg = f"{text!r} is not an instant, expected one such as 2026-01-02T03:04:05Z"
        raise ValueError(msg) from error


def some_of(names: Sequence[str]) -> str:
    """List names; of many only the first, and how many more there are."""
    if len(names) <= _MOST_NAMES + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES:,} more"


def shown(text: str) -> str:
    r"""Return a text with its characters that are not printable written as escapes, such as `\u202e`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def broken_character(text: str) -> str:
    """Return the name of the first character that a text must not have, such as `U+202E`; empty if there is none.

    These are halves of characters (lone surrogates), control characters except tab and line ends, and marks that
    change the direction of writing.
    """
    if text.isascii() and text.isprintable():
        return ""
    return next((f"U+{ord(char):04X}" for char in text if _is_broken(char)), "")


def _is_broken(char: str) -> bool:
    return char in _BIDI or (unicodedata.category(char) in {"Cc", "Cs"} and char not in _LINES)
