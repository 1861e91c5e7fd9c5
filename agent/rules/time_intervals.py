"""Alertmanager's time intervals, in which routes are muted.

An interval covers an instant if every field that it has does. A list covers it if one of its items does. Without a
location they are in UTC. https://prometheus.io/docs/alerting/latest/configuration/#time_interval
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip


def covers(interval: dict[str, Any], at: float) -> bool:
    """Return whether a time interval covers an instant (Unix seconds); raises ValueError if it cannot be read."""
    now = datetime.fromtimestamp(at, _zone(interval.get("location")))
    in_fields = (
        any(holds(str(one), now) for one in interval[name]) for name, holds in _FIELDS.items() if interval.get(name)
    )
    times = interval.get("times")
    return all(in_fields) and (not times or any(_in_times(one, now) for one in times))


def _zone(name: str | None) -> tzinfo:
    if name == "Local":
        msg = "is in the server's own time zone"
        raise ValueError(msg)
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        msg = f"is in an unknown time zone {name}"
        raise ValueError(msg) from error


def _in_times(times: dict[str, str], now: datetime) -> bool:
    return _minutes(times["start_time"]) <= now.hour * 60 + now.minute < _minutes(times["end_time"])


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _in_range(text: str, value: int, read: Callable[[str], int]) -> bool:
    first, _, last = text.partition(":")
    return read(first) <= value <= read(last or first)


def _weekday(text: str, now: datetime) -> bool:
    return _in_range(text, now.isoweekday() % 7, lambda name: _WEEKDAYS.index(name.lower()))


def _day_of_month(text: str, now: datetime) -> bool:
    length = monthrange(now.year, now.month)[1]

    def day(spelled: str) -> int:
        number = int(spelled)
        return number if number > 0 else length + 1 + number

    return _in_range(text, now.day, day)


def _month(text: str, now: datetime) -> bool:
    return _in_range(text, now.month, lambda name: int(name) if name.isdigit() else _MONTHS.index(name.lower()) + 1)


def _year(text: str, now: datetime) -> bool:
    return _in_range(text, now.year, int)


_FIELDS: dict[str, Callable[[str, datetime], bool]] = {
    "weekdays": _weekday,
    "days_of_month": _day_of_month,
    "months": _month,
    "years": _year,
}
