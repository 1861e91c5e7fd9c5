"""Converts k6's durations to ours: `2m`, `1.5s`, and bare numbers, which are milliseconds in k6.

Grammar: https://pkg.go.dev/time#ParseDuration, and days in addition.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.values import EnvText, Value, plain
from alertdrill.units.duration import format_duration, parse_duration

_UNIT_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_FINER_MS = {"us": Decimal("0.001"), "µs": Decimal("0.001"), "μs": Decimal("0.001"), "ns": Decimal("0.000001")}
_ALL_MS = {unit: Decimal(milliseconds) for unit, milliseconds in (_UNIT_MS | _FINER_MS).items()}
_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_PART = re.compile(rf"({_NUMBER})({'|'.join(sorted(_ALL_MS, key=len, reverse=True))})")
_LONGEST_MS = 86_400_000 * 36_500


def duration(value: Value) -> str:
    """Return a duration for a probe file, unchanged where both have that format; raises NotCarried."""
    text = plain(value)
    if isinstance(text, EnvText):
        return text
    milliseconds = _milliseconds(value.line, text)
    try:
        if isinstance(text, str) and parse_duration(text) == timedelta(milliseconds=milliseconds):
            return text
    except ValueError:
        pass
    return milliseconds_text(milliseconds)


def milliseconds_of(value: Value) -> int:
    """Return a duration in whole milliseconds; raises NotCarried."""
    return _milliseconds(value.line, plain(value))


def whole_milliseconds(line: int, amount: Decimal) -> int:
    """Return milliseconds as an integer; raises NotCarried for fractions, negative ones and more than a century."""
    if amount != amount.to_integral_value() or not 0 <= amount <= _LONGEST_MS:
        raise NotCarried(line, f"a time of {amount} ms, expected whole milliseconds")
    return int(amount)


def milliseconds_text(milliseconds: int) -> str:
    """Format milliseconds as `2s`, `1500ms` or `1m30s`."""
    if milliseconds % 1000:
        return f"{milliseconds}ms"
    return format_duration(timedelta(milliseconds=milliseconds))


def _milliseconds(line: int, content: object) -> int:
    if isinstance(content, int | float) and not isinstance(content, bool):
        return whole_milliseconds(line, Decimal(repr(content)))
    text = content.strip() if isinstance(content, str) and not isinstance(content, EnvText) else ""
    if re.fullmatch(_NUMBER, text):
        return whole_milliseconds(line, Decimal(text))
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise NotCarried(line, f"{content!r} is not a duration of k6, expected one such as 30s, 1m30s or 500")
    return whole_milliseconds(
        line, sum((Decimal(count) * _ALL_MS[unit] for count, unit in _PART.findall(text)), Decimal(0))
    )
