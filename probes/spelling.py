"""Figures as k6 writes them in its summary, cut off and never rounded up: `1.23ms`, `0.99%`, `100.182265`."""

from __future__ import annotations

from decimal import Decimal

_MICROSECOND, _MILLISECOND, _SECOND, _MINUTE, _HOUR = 1_000, 10**6, 10**9, 60 * 10**9, 3600 * 10**9  # in nanoseconds


def duration_text(seconds: float) -> str:
    """Format a duration: `0s`, `850ns`, `312.17µs`, `1.23ms`, `2.1s`, `1m30s`, `1h0m5s`."""
    # An integer of nanoseconds: cutting off the float 1.15 after two decimals would give 1.14.
    nanoseconds = round(seconds * _SECOND)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < _MICROSECOND:
        return f"{nanoseconds}ns"
    if nanoseconds < _MILLISECOND:
        return f"{_hundredths(nanoseconds, _MICROSECOND)}µs"
    if nanoseconds < _SECOND:
        return f"{_hundredths(nanoseconds, _MILLISECOND)}ms"
    if nanoseconds < _MINUTE:
        return f"{_hundredths(nanoseconds, _SECOND)}s"
    hours, rest = divmod(nanoseconds, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    return (f"{hours}h" if hours else "") + f"{minutes}m{rest // _SECOND}s"


def _hundredths(nanoseconds: int, unit: int) -> str:
    return f"{nanoseconds * 100 // unit / 100:.2f}".rstrip("0").rstrip(".")


def number_text(value: float) -> str:
    """Format a number with at most six decimals, without zeros at the end."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def share_text(share: float) -> str:
    """Format a share between 0 and 1 as a percentage with two decimals: `0.99%`."""
    # As a float, 0.29 * 10,000 is 2899.9999999999995.
    return f"{int(round(share * 10_000, 6)) / 100:.2f}%"


def plain_number(value: float) -> str:
    """Format a number without an exponent, so that it reads back as the same number: `95`, `99.9`, `0.00001`."""
    return format(Decimal(repr(value)), "f").removesuffix(".0")
