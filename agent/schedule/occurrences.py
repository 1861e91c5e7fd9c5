"""When the entries of a schedule come, and what keeps one from running. Pure: no clock, no files.

An occurrence is one time of an entry's cron expression. It is known by the entry's name and that instant in UTC, whatever
the delay of `spread` is. cronsim computes the times as Debian's cron does: a time that does not exist on a day comes
after the gap, and one that comes twice runs once. Where minute or hour begins with a star, each time of the clock counts.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim

from alertdrill.agent.config.calendars import Calendars
from alertdrill.agent.config.daemon import Closed, Schedule, ScheduleEntry
from alertdrill.units.duration import format_duration
from alertdrill.units.text import utc_text

SkipReason = Literal[
    "blackout",
    "calendar",
    "guard",
    "paused",
    "overlap",
    "missed",
    "fresh",
    "lock",
    "target",
    "unhealed",
    "disk",
    "removed",
    "aborted",
]
"""Why an occurrence did not run."""

CALLED = ScheduleEntry.model_construct(name="@api", drills=(), cron="")
"""The entry of drills that a call started; no entry of a file can have its name."""

# cronsim forgets which of two equal wall times it begins at, so it begins before any change of the clock.
_BEFORE = timedelta(hours=4)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Occurrence:
    """One time of an entry: `instant` is that of its cron expression, `starts_at` is later by its part of `spread`.

    One that a call started has in `asked` who called and why, and in `call` what the same call has in common with it.
    """

    entry: ScheduleEntry
    instant: datetime
    starts_at: datetime
    asked: str = ""
    call: str = ""

    @property
    def key(self) -> tuple[str, datetime]:
        """What distinguishes it from all others."""
        return self.entry.name, self.instant


@dataclass(frozen=True)
class Skip:
    """Why an occurrence does not run: a fixed word, and a sentence."""

    reason: SkipReason
    why: str


@dataclass(frozen=True)
class Pause:
    """A time without drills that somebody ordered, until an instant, and why."""

    until: datetime
    reason: str
    by: str = ""

    @property
    def why(self) -> str:
        """The reason as a sentence, with its author and its end."""
        author = f" by {self.by}" if self.by else ""
        return f"paused{author} until {self.until:%Y-%m-%d %H:%M} UTC: {self.reason}"


@dataclass(frozen=True)
class Blackout:
    """A time without drills that somebody ordered by a call, from one instant up to another, and why; `id` is its name."""

    id: str
    begins_at: datetime
    ends_at: datetime
    reason: str
    by: str

    @property
    def why(self) -> str:
        """The reason as a sentence, with its author and its end."""
        return f"blackout by {self.by} until {self.ends_at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def instants(cron: str, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the times of an expression after one instant and not after another, in UTC, each once."""
    last = after
    for at in _with_star(cron, zone, after) if _has_star(cron) else _fixed(cron, zone, after):
        if at > until:
            return
        # Two wall times in a gap both come at its end.
        if at > last:
            last = at
            yield at


def _has_star(cron: str) -> bool:
    minute, hour, *_ = cron.split()
    return minute.startswith("*") or hour.startswith("*")


def _fixed(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    return (local.astimezone(UTC) for local in CronSim(cron, (after - _BEFORE).astimezone(zone)))


def _with_star(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the times from one change of the clock to the next.

    cronsim goes on in whole hours: after a change of half an hour (Lord Howe) it would miss times.
    """
    begin = at = after
    while True:
        offset = timezone(at.astimezone(zone).utcoffset() or timedelta(0))
        change = None
        for one in CronSim(cron, begin.astimezone(offset)):
            if (change := _first_change(zone, at, one)) is not None:
                break
            at = one
            yield one.astimezone(UTC)
        if change is None:
            return
        begin, at = change - _SECOND, change


def _first_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime | None:
    """Return the first second with another offset than that of `low`, up to and with `high`; None if there is none."""
    offset = low.astimezone(zone).utcoffset()
    while (later := min(low + timedelta(days=1), high)).astimezone(zone).utcoffset() == offset:
        if later == high:
            return None
        low = later
    # An instant of now has microseconds, so the last step may be less than a second.
    seconds = range(math.ceil((later - low) / _SECOND))
    return low + _SECOND * bisect_left(
        seconds, True, key=lambda second: (low + _SECOND * second).astimezone(zone).utcoffset() != offset
    )


def clock_change(cron: str, zone: ZoneInfo, instant: datetime) -> str:
    """Return what a change of the clock does to a time; empty when there is none."""
    local = instant.astimezone(zone)
    if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
        often = "both times" if _has_star(cron) else "the first time only"
        return f"{local:%H:%M} comes twice on this day: it runs {often}"
    wall = local.replace(tzinfo=None)
    if next(CronSim(cron, wall - timedelta(minutes=1)), None) != wall:
        return "its time does not exist on this day: it runs when the clock was put forward"
    return ""


def delay(entry: ScheduleEntry, instant: datetime) -> timedelta:
    """Return the part of `spread` for one time, in whole seconds: always the same for the same time."""
    digest = hashlib.sha256(f"{entry.name} {utc_text(instant)}".encode()).digest()
    share = int.from_bytes(digest[:8]) / 2**64
    return timedelta(seconds=int(entry.spread.total_seconds() * share))


@dataclass(frozen=True)
class Timetable:
    """The occurrences of a schedule; `guard` says why no drill may run at an instant, or nothing.

    During `pause` and `ordered` none may run either.
    """

    schedule: Schedule
    calendars: Calendars = field(default_factory=Calendars)
    guard: Callable[[datetime], str] = field(default=lambda _: "")
    pause: Pause | None = None
    ordered: tuple[Blackout, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of all its expressions."""
        return ZoneInfo(self.schedule.time_zone)

    def of(self, entry: ScheduleEntry, after: datetime, until: datetime) -> Iterator[Occurrence]:
        """Yield the occurrences of an entry whose instants are after one time and not after another."""
        for instant in instants(entry.cron, self.zone, after, until):
            yield Occurrence(entry, instant, instant + delay(entry, instant))

    def next_after(self, entry: ScheduleEntry, after: datetime) -> Occurrence | None:
        """Return the first occurrence after an instant; None if there is none within fifty years."""
        return next(self.of(entry, after, after + timedelta(days=366 * 50)), None)

    def coming(self, after: datetime, until: datetime) -> list[Occurrence]:
        """List the occurrences of all entries by their starts."""
        found = [one for entry in self.schedule.entries for one in self.of(entry, after, until)]
        return sorted(found, key=lambda one: (one.starts_at, one.instant, one.entry.name))

    def closed(self, entry: ScheduleEntry, at: datetime) -> Skip | None:
        """Return why an entry may not run at an instant, as far as that is known beforehand."""
        if entry.paused:
            return Skip("paused", f"the entry is paused: {entry.paused}")
        if self.pause is not None and at < self.pause.until:
            return Skip("paused", self.pause.why)
        for blackout in self.ordered:
            if blackout.begins_at <= at < blackout.ends_at:
                return Skip("blackout", blackout.why)
        for one in self.schedule.blackouts:
            if (end := self.end_of(one, at)) is not None:
                return Skip("blackout", f"blackout {one.name}, until {self.local(end)}")
        if (span := self.calendars.at(at)) is not None:
            return Skip("calendar", f"calendar: {span.name}, until {self.local(span.ends_at)}")
        if guard := self.guard(at):
            return Skip("guard", guard)
        return None

    def end_of(self, one: Closed, at: datetime) -> datetime | None:
        """Return the end of a blackout that lasts at an instant; None for one that does not."""
        if one.cron is not None and one.lasts is not None:
            *_, last = [None, *instants(one.cron, self.zone, at - one.lasts, at)]
            return None if last is None else last + one.lasts
        assert one.from_ is not None  # noqa: S101 - the settings have one form
        assert one.to is not None  # noqa: S101
        if one.from_ <= at.astimezone(self.zone).date() <= one.to:
            after = one.to + timedelta(days=1)
            return datetime(after.year, after.month, after.day, tzinfo=self.zone).astimezone(UTC)
        return None

    def local(self, at: datetime) -> str:
        """Format an instant in the time zone."""
        return f"{at.astimezone(self.zone):%a %Y-%m-%d %H:%M %Z}"

    def due(self, entry: ScheduleEntry, after: datetime, now: datetime) -> list[tuple[Occurrence, Skip | None]]:
        """Decide on every occurrence of an entry after an instant that should have started by now.

        At most the last one runs, and only within `late_by`: a machine that was suspended for a month drills once.
        """
        late = list(takewhile(lambda one: one.starts_at <= now, self.of(entry, after, now)))
        decided = [(one, self.closed(entry, one.starts_at) or _missed(one, "a later one is due")) for one in late[:-1]]
        return [*decided, *((one, self._last(one, now)) for one in late[-1:])]

    def _last(self, one: Occurrence, now: datetime) -> Skip | None:
        if skip := self.closed(one.entry, one.starts_at):
            return skip
        if now - one.starts_at > one.entry.late_by:
            return _missed(one, f"it could not start within {format_duration(one.entry.late_by)}")
        return self.closed(one.entry, now)


def _missed(one: Occurrence, why: str) -> Skip:
    return Skip("missed", f"alertdrill did not run at {one.starts_at:%Y-%m-%d %H:%M} UTC, and {why}")
