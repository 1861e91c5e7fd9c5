"""The JSON formats of Prometheus and Alertmanager for instants, durations, numbers and missing values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from alertdrill.units.duration import parse_duration

# A time zone can lead beyond the last year of the calendar, and a recording cannot.
_LATEST = 253_402_300_800


def _instant(text: object) -> float | None:
    """Convert RFC 3339 to Unix seconds; Go writes "never" as the first instant of the year 1."""
    if not isinstance(text, str):
        msg = "expected an instant"
        raise ValueError(msg)  # noqa: TRY004 - pydantic asks for a ValueError
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        msg = "expected an instant with a time zone"
        raise ValueError(msg)
    if instant.timestamp() > _LATEST:
        msg = "expected an instant before the year 10000"
        raise ValueError(msg)
    return instant.timestamp() if instant.year > 1 else None


def _seconds(spelled: object) -> object:
    return parse_duration(spelled).total_seconds() if isinstance(spelled, str) else spelled


def _number(text: object) -> float:
    if not isinstance(text, str):
        msg = "expected a number as text"
        raise ValueError(msg)  # noqa: TRY004 - pydantic asks for a ValueError
    return float(text)


def _nothing_is(empty: Any) -> BeforeValidator:  # noqa: ANN401 - of the field's own type
    return BeforeValidator(lambda value: empty if value is None else value)


Instant = Annotated[float, BeforeValidator(_instant)]
"""Unix seconds."""

InstantOrNever = Annotated[float | None, BeforeValidator(lambda text: text and _instant(text))]
"""Unix seconds, or None."""

Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=1e10)]
"""Seconds, written as a number or as `1m30s`, within the limits of a recording."""

Interval = Annotated[float, BeforeValidator(_seconds), Field(ge=0.001, le=1e10)]
"""Seconds from one time to the next, written likewise."""

Number = Annotated[float, BeforeValidator(_number)]
"""A number written as text, also "NaN", "+Inf" and "-Inf"."""

Labels = Annotated[dict[str, str], _nothing_is({})]
"""Names and values; null means empty."""

NONE_IS_EMPTY = _nothing_is(())
"""For a tuple: null means empty."""
