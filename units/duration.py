"""Durations as Prometheus writes them: `250ms`, `15s`, `1h30m`, `1d`."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNIT_MS = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_SPELLING = re.compile("".join(rf"(?:(?P<{unit}>\d+){unit})?" for unit in _UNIT_MS))


def parse_duration(text: str) -> timedelta:
    """Parse a duration as Prometheus writes it; a bare `0` is zero, any other bare number is refused.

    Raises ValueError. Grammar: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#duration
    """
    match = _SPELLING.fullmatch(text.strip())
    if text.strip() == "0":
        return timedelta(0)
    if match is None or not match.group(0):
        msg = f"{text!r} is not a duration, expected one such as 250ms, 15s, 5m or 1h30m"
        raise ValueError(msg)
    try:
        return timedelta(milliseconds=sum(int(count) * _UNIT_MS[unit] for unit, count in match.groupdict("0").items()))
    except OverflowError as error:
        msg = f"{text!r} is too long for a duration"
        raise ValueError(msg) from error


def format_duration(duration: timedelta) -> str:
    """Format a duration as Prometheus does, rounded to the millisecond; years and weeks as days."""
    left = round(duration / timedelta(milliseconds=1))
    if left < 0:
        return "-" + format_duration(-duration)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNIT_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def spell_seconds(seconds: float) -> str:
    """Format seconds as Prometheus writes durations: `format_seconds` is for people, this is for files and rules."""
    return format_duration(timedelta(seconds=seconds))


@lru_cache(maxsize=1024)
def format_seconds(seconds: float) -> str:
    """Format seconds for people: `7.5s` below a minute, and without decimals above it, as `1m35s`."""
    return f"{round(seconds, 1):g}s" if abs(seconds) < 60 else format_duration(timedelta(seconds=round(seconds)))


def _validate(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (value.strip() == "0" or not value.strip().isdigit()):
        return parse_duration(value)
    msg = f"{value} has no unit, expected a duration such as 250ms, 15s, 5m or 1h30m"
    raise ValueError(msg)


Duration = Annotated[timedelta, BeforeValidator(_validate), PlainSerializer(format_duration, return_type=str)]
"""A pydantic field type: a `timedelta`, written as Prometheus writes durations."""
