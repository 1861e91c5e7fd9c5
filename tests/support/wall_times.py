"""The times of a cron expression, computed in another way than alertdrill does it.

All wall times of the days are listed without a time zone, and each is then put on the clock of the zone by the rules of
docs/game-days.md. `expected` shares nothing with cronsim.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo, available_timezones

from alertdrill.agent.schedule.occurrences import instants

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
# Fixed times, times within usual changes of the clock, stars, steps, lists, last days and weekdays.
CRONS = (
    *("30 2 * * *", "0,30 2 * * *", "15 0 * * *", "59 23 * * *", "0 3 * * SUN", "5 1-3 * * *", "0 */6 * * *"),
    *("*/30 0-4 * * *", "7 * * * *", "*/20 2 * * *", "0 10 * * TUE", "0 9 1 * *", "0 0 L * *", "30 12 LW * *"),
    *("0 8 * * MON#1", "0 17 * * 5L", "0 0 29 2 *", "0 12 13 * FRI", "45 4 1,15 * *", "0 22 * * 1-5"),
    *("0 0 * * *", "30 0 * * *", "0 1 * * *", "30 1 * * *", "45 1 * * *", "0 2 * * *", "15 2 * * *", "45 2 * * *"),
    *("59 1 * * *", "1 2 * * *", "59 2 * * *", "0 3 * * *", "1 3 * * *", "0 4 * * *", "30 23 * * *", "0 23 * * *"),
    *("0 0-3 * * *", "30 0,2 * * *", "10,50 1,2 * * *", "*/45 1 * * *", "* 2 * * SUN", "20 */12 * * *"),
    *("0 2 * 3,10 SUN", "30 2 25-31 3,10 SUN", "0 0 1 JAN *", "0 0 31 12 *", "15 10 */7 * *", "0 6 * * 0,6"),
    *("0 12 * * 7", "30 3 1-7 * *"),
)
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_AROUND = timedelta(days=2)


def differences(cron: str, zone: ZoneInfo, chance: Random) -> list[datetime]:
    """Return the times that alertdrill has too many or too few when it is asked again from twenty instants."""
    cuts = sorted(BEGIN + (END - BEGIN) * chance.random() for _ in range(20))
    found = [one for low, high in pairwise([BEGIN, *cuts, END]) for one in instants(cron, zone, low, high)]
    right = expected(cron, zone)
    return [] if found == right else sorted(set(found) ^ set(right)) or found


def expected(cron: str, zone: ZoneInfo) -> list[datetime]:
    """Return the times after BEGIN and not after END, in UTC, each once."""
    minute, hour, *_ = cron.split()
    has_star = minute.startswith("*") or hour.startswith("*")
    found = {at for wall in _wall_times(cron) for at in _on_the_clock(wall, zone, has_star=has_star)}
    return sorted(at for at in found if BEGIN < at <= END)


def _on_the_clock(wall: datetime, zone: ZoneInfo, *, has_star: bool) -> Iterator[datetime]:
    """Yield when a wall time comes: after the gap if it does not exist, once or twice if it comes twice."""
    first = wall.replace(tzinfo=zone)
    before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    early, late = (wall - before).replace(tzinfo=UTC), (wall - after).replace(tzinfo=UTC)
    if before < after:
        # The time does not exist; with a star, it just does not come.
        if not has_star:
            yield _change_between(late, early, zone)
        return
    yield early
    if has_star:
        yield late


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second with the offset of the later instant."""
    offset = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if middle.astimezone(zone).utcoffset() == offset else (middle, high)
    return high


@cache
def _wall_times(cron: str) -> tuple[datetime, ...]:
    minute, hour, day, month, weekday = cron.upper().split()
    minutes, hours = _numbers(minute, range(60)), _numbers(hour, range(24))
    months = _numbers(month, range(1, 13), _MONTHS)
    first, last = (BEGIN - _AROUND).date(), (END + _AROUND).date()
    days = (first + timedelta(days=number) for number in range((last - first).days))
    fitting = [one for one in days if one.month in months and _is_day(one, day, weekday)]
    return tuple(datetime(one.year, one.month, one.day, h, m) for one in fitting for h in hours for m in minutes)  # noqa: DTZ001 - a wall time


def _is_day(one: date, day: str, weekday: str) -> bool:
    """If day and weekday are both given, one of them is enough, as in Debian's cron."""
    of_month = any(_is_day_of_month(one, part) for part in day.split(","))
    of_week = any(_is_weekday(one, part) for part in weekday.split(","))
    return of_month and of_week if day.startswith("*") or weekday.startswith("*") else of_month or of_week


def _is_day_of_month(one: date, part: str) -> bool:
    last = calendar.monthrange(one.year, one.month)[1]
    if part == "L":
        return one.day == last
    if part == "LW":
        return one.day == max(d for d in range(1, last + 1) if one.replace(day=d).weekday() < 5)
    return one.day in _numbers(part, range(1, 32))


def _is_weekday(one: date, part: str) -> bool:
    if part.endswith("L"):
        is_last = one.day + 7 > calendar.monthrange(one.year, one.month)[1]
        return is_last and one.isoweekday() % 7 in _weekdays(part[:-1])
    if "#" in part:
        part, number = part.split("#")
        return (one.day - 1) // 7 + 1 == int(number) and one.isoweekday() % 7 in _weekdays(part)
    return one.isoweekday() % 7 in _weekdays(part)


def _weekdays(part: str) -> set[int]:
    return {number % 7 for number in _numbers(part, range(8), _WEEKDAYS)}


def _numbers(field: str, all_of_them: range, names: list[str] | None = None) -> list[int]:
    """Return the numbers of a field of lists, spans, steps and names."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        some = (
            all_of_them
            if span == "*"
            else range(_number(low, all_of_them, names), 1 + _number(high or low, all_of_them, names))
        )
        found.update(some[:: int(step or 1)])
    return sorted(found)


def _number(text: str, all_of_them: range, names: list[str] | None) -> int:
    return int(text) if text.isdigit() else (names or []).index(text) + all_of_them.start


def alike() -> list[list[str]]:
    """Return all zones in groups: those of one group have the same offset at each instant of the two years."""
    groups = defaultdict(list)
    for name in ZONES:
        groups[_changes(ZoneInfo(name))].append(name)
    return list(groups.values())


def _changes(zone: ZoneInfo) -> tuple[tuple[datetime, timedelta | None], ...]:
    """Return when the offset changes, and to which."""
    at, found = BEGIN - _AROUND, []
    offset = at.astimezone(zone).utcoffset()
    found.append((at, offset))
    while at < END + _AROUND:
        later = at + timedelta(days=1)
        if (now := later.astimezone(zone).utcoffset()) != offset:
            found.append((_change_between(at, later, zone), now))
        at, offset = later, now
    return tuple(found)
