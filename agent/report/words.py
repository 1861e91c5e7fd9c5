"""Texts and numbers as every report shows them; a load alone imports nothing of drills with them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from alertdrill.agent.rules.labels import spell

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


def printable(text: str) -> str:
    """Replace control characters, which could change a terminal's state; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
