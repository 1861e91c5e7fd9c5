"""Calendar files (.ics): each event is a time without drills.

The library icalendar reads the file, dateutil computes what repeats. An event repeats at its wall time, so the rule is
computed without a time zone, and each event gets the zone afterwards. Events that are cancelled do not count; those
that leave a person free (`TRANSP:TRANSPARENT`) do, because calendars of holidays mark them so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from alertdrill.agent.config.daemon import Schedule
from alertdrill.agent.errors import ConfigError
from alertdrill.units.extras import of_extra
from alertdrill.units.text import one_line

_MOST_BYTES = 4 * 2**20
_MOST_EVENTS = 20_000
_MOST_KNOWN = 16
_COMPUTED_AT_ONCE = timedelta(days=32)
# Older and longer events are mistakes, and take long to compute.
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=3660)
# A rule of every second would be computed from its start for years.
_FREQUENCIES = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}


@dataclass(frozen=True)
class EventSpan:
    """A stretch of time with a name; both instants are in UTC, and the second one is the first after it."""

    name: str
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class CalendarEvent:
    """An event, at wall times without a zone: when it begins, how long it lasts, and what repeats it."""

    name: str
    zone: tzinfo
    begin: datetime
    lasts: timedelta
    rule: str = ""
    until: datetime | None = None
    more: frozenset[datetime] = frozenset()
    without: frozenset[datetime] = frozenset()

    def spans(self, after: datetime, until: datetime) -> Iterator[EventSpan]:
        """Yield what of it lies between two instants."""
        first = after.astimezone(self.zone).replace(tzinfo=None) - self.lasts - timedelta(days=1)
        last = until.astimezone(self.zone).replace(tzinfo=None) + timedelta(days=1)
        for begin in sorted({*self._repeated(first, last), *self.more} - self.without):
            span = EventSpan(self.name, self._instant(begin), self._instant(begin + self.lasts))
            if span.ends_at > after and span.begins_at < until:
                yield span

    def _repeated(self, first: datetime, last: datetime) -> Iterable[datetime]:
        if not self.rule:
            return (self.begin,)
        from dateutil.rrule import rrulestr

        begins = takewhile(lambda one: one <= last, rrulestr(self.rule, dtstart=self.begin))
        until = self.until
        return (one for one in begins if one >= first and (until is None or one <= until))

    def _instant(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self.zone).astimezone(UTC)


class Calendars:
    """The events of all files, computed for some weeks at a time when they are asked for."""

    def __init__(self, events: Iterable[CalendarEvent] = ()) -> None:
        self._events = tuple(events)
        self._known: dict[int, list[EventSpan]] = {}

    def at(self, instant: datetime) -> EventSpan | None:
        """Return what lasts at an instant and ends last; None when nothing does."""
        found = (span for span in self._around(instant) if span.begins_at <= instant < span.ends_at)
        return max(found, key=lambda span: span.ends_at, default=None)

    def between(self, after: datetime, until: datetime) -> list[EventSpan]:
        """List what lies between two instants, at least in part."""
        return sorted(
            (span for event in self._events for span in event.spans(after, until)), key=lambda span: span.begins_at
        )

    def _around(self, instant: datetime) -> list[EventSpan]:
        number = (instant - _FIRST) // _COMPUTED_AT_ONCE
        if number not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            begin = _FIRST + number * _COMPUTED_AT_ONCE
            self._known[number] = [
                span for event in self._events for span in event.spans(begin, begin + _COMPUTED_AT_ONCE)
            ]
        return self._known[number]


def read_calendars(paths: Iterable[Path], zone: tzinfo) -> Calendars:
    """Read calendar files; `zone` is for times without one. Raises ConfigError with every problem, and LibraryMissing."""
    problems: list[str] = []
    events: list[CalendarEvent] = []
    for path in paths:
        try:
            events += _read(path, zone)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return Calendars(events)


def calendars_of(schedule: Schedule) -> Calendars:
    """Read the calendars of a schedule; raises what `read_calendars` does."""
    return read_calendars(schedule.calendars, ZoneInfo(schedule.time_zone))


def _read(path: Path, zone: tzinfo) -> list[CalendarEvent]:
    with of_extra("calendars"):
        from icalendar import Calendar
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{path}: is larger than {_MOST_BYTES // 2**20} MiB")
        events = Calendar.from_ical(content).walk("VEVENT")
        moved = _moved(events)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _BROKEN as error:
        raise ConfigError(f"{path}: is not a calendar: {one_line(error)}") from error
    if len(events) > _MOST_EVENTS:
        raise ConfigError(f"{path}: has {len(events):,} events, expected at most {_MOST_EVENTS:,}")
    return [one for event in events if (one := _event(path, event, zone, moved)) is not None]


def _moved(events: Iterable[Any]) -> dict[str, list[date]]:
    """Return for each series the times whose event stands in the file again, with other values."""
    moved: dict[str, list[date]] = {}
    for event in events:
        if (at := event.get("RECURRENCE-ID")) is not None:
            moved.setdefault(str(event.get("UID")), []).append(at.dt)
    return moved


def _event(path: Path, event: Any, zone: tzinfo, moved: dict[str, list[date]]) -> CalendarEvent | None:  # noqa: ANN401 - icalendar's own
    """Return an event; None for one that is cancelled."""
    name = one_line(event.get("SUMMARY") or "an event without a name")
    if str(event.get("STATUS") or "").upper() == "CANCELLED":
        return None
    try:
        begin, end = event.start, event.end
        own = getattr(begin, "tzinfo", None) or zone
        wall, lasts = _wall(begin, own), _wall(end, own) - _wall(begin, own)
        if wall < _FIRST.replace(tzinfo=None) or lasts > _LONGEST:
            msg = "it begins before 1900, or lasts longer than ten years"
            raise ValueError(msg)
        rule, until = _rule(event, own)
        is_series = bool(rule) or event.get("RDATE") is not None
        elsewhere = (_wall(one, own) for one in moved.get(str(event.get("UID")), ()) if is_series)
        return CalendarEvent(
            name,
            own,
            wall,
            max(lasts, timedelta(minutes=1)),
            rule,
            until,
            frozenset(_dates(event, "RDATE", own)),
            frozenset({*_dates(event, "EXDATE", own), *elsewhere}),
        )
    except _BROKEN as error:
        raise ConfigError(f"{path}: the event {name!r} cannot be read: {one_line(error)}") from error


def _rule(event: Any, zone: tzinfo) -> tuple[str, datetime | None]:  # noqa: ANN401 - icalendar's own
    """Return the rule without its end, and its last wall time."""
    from dateutil.rrule import rrulestr

    if len(event.rrules) > 1:
        msg = "it has several rules of repetition, expected one"
        raise ValueError(msg)
    for given in event.rrules:
        parts = {key: values for key, values in given.items() if key != "UNTIL"}
        if (often := str(parts["FREQ"][0]).upper()) not in _FREQUENCIES:
            msg = f"it repeats {often}, expected DAILY, WEEKLY, MONTHLY or YEARLY"
            raise ValueError(msg)
        rule = type(given)(parts).to_ical().decode()
        rrulestr(rule, dtstart=_ANY)
        until = given["UNTIL"][0] if "UNTIL" in given else None
        return rule, None if until is None else _last(until, zone)
    return "", None


# What icalendar and dateutil raise for values that they do not expect.
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
_ANY = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall time


def _last(until: date, zone: tzinfo) -> datetime:
    return _wall(until, zone) if isinstance(until, datetime) else datetime.combine(until, time.max)


def _dates(event: Any, name: str, zone: tzinfo) -> Iterator[datetime]:  # noqa: ANN401 - icalendar's own
    given = event.get(name)
    for dates in given if isinstance(given, list) else [] if given is None else [given]:
        for one in dates.dts:
            # A period has its begin first.
            yield _wall(one.dt[0] if isinstance(one.dt, tuple) else one.dt, zone)


def _wall(given: date, zone: tzinfo) -> datetime:
    """Return a wall time in a zone; a day begins at midnight."""
    if not isinstance(given, datetime):
        return datetime.combine(given, time())
    return given if given.tzinfo is None else given.astimezone(zone).replace(tzinfo=None)
