"""Texts and numbers as every report shows them; a load alone imports nothing of drills with them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from alertdrill.agent.rules.labels import spell

# Inside a list or a mapping, other texts need quotes.
_PLAIN = re.compile(r"(?!.*: )[^\s,\[\]{}:#'\"&*!|>%@`-][^\n,\[\]{}#'\"]*(?<![\s:])")

# Without quotes these would not be texts.
_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off"})

labels_words = spell
"""Format labels as PromQL does, without the alert's name; empty where there are none."""


def utc(instant: float) -> str:
    """Format Unix seconds as a date and a time in UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def utc_milliseconds(instant: float) -> str:
    """Format Unix seconds in UTC to the millisecond, the precision of Prometheus; without the letters UTC."""
    return datetime.fromtimestamp(round(instant, 3), UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def finite(value: float | None) -> float | None:
    """Return a value that JSON can hold: None for an infinite one."""
    return value if value is not None and math.isfinite(value) else None


def latency_words(seconds: float | None) -> str:
    """Format a latency: milliseconds below one second, seconds above; a dash where there is none."""
    if seconds is None:
        return "—"
    # Above this, three digits of milliseconds would be 1e+03.
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def setting_words(value: object) -> str:
    """Format a value of a setting as YAML has it on one line: `true`, `[a, b]`, `{every: 1m, times: 3}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_inner(one)}' for name, one in value.items() if one is not None)}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_inner, value))}]"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    # JSON spells booleans, numbers and nothing as YAML does.
    return json.dumps(value, default=str)


def _inner(value: object) -> str:
    is_plain = not isinstance(value, str) or (_PLAIN.fullmatch(value) and value not in _WORDS_OF_YAML)
    return setting_words(value) if is_plain else json.dumps(value, ensure_ascii=False)


def settings_words(settings: Mapping[str, object], *, without: Collection[str] = ()) -> dict[str, str]:
    """Format settings as their file has them; what is not set is left out."""
    return {name: setting_words(value) for name, value in settings.items() if value is not None and name not in without}


def shortened(text: str, longest: int) -> str:
    """Return a text from outside without control characters, and cut if it is too long."""
    return printable(text if len(text) <= longest else f"{text[: longest - 1]}…")


def printable(text: str) -> str:
    """Replace control characters, which could change a terminal's state; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
