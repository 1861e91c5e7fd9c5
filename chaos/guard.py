"""Limits for drills: which targets, how many at once, and when. Pure: no clock.

    guards:
      allowed: ["proxy postgres *", "proxy redis *"]
      forbidden: ["*billing*"]
      most_faults: 2
      hours: {time_zone: Europe/Berlin, days: [mon, tue, wed, thu], begin: "09:00", end: "16:30"}
      blackouts:
        - {begin: 2026-11-27, end: 2026-11-30, why: the sale}

Without these settings everything is allowed, except more than five faults at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.chaos.timeline import most_at_once, repetitions
from alertdrill.units.settings import Settings

_LONGEST_TARGET = 200

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _time(value: object) -> object:
    # YAML 1.1 reads 09:30 without quotes as a number of base sixty.
    if not isinstance(value, str):
        msg = f'{value!r} is not a time of day, expected one in quotes such as "09:30"'
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"{name!r} is not a time zone, expected one such as Europe/Berlin or UTC"
        raise ValueError(msg) from error
    return name


TimeOfDay = Annotated[time, BeforeValidator(_time)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
"""The name of an IANA time zone."""


class Hours(Settings):
    """When drills may run, in a time zone; an `end` before `begin` is on the next day."""

    time_zone: TimeZone
    days: tuple[Day, ...] = _DAYS
    begin: TimeOfDay = time(0)
    end: TimeOfDay = time(0)

    def include(self, now: datetime) -> bool:
        """Return whether an instant is within these hours."""
        local = now.astimezone(ZoneInfo(self.time_zone))
        clock, today = local.time(), _DAYS[local.weekday()]
        if self.begin < self.end:
            return today in self.days and self.begin <= clock < self.end
        yesterday = _DAYS[(local - timedelta(days=1)).weekday()]
        return (today in self.days and clock >= self.begin) or (yesterday in self.days and clock < self.end)


class Blackout(Settings):
    """A time without drills; dates are whole days in UTC, the last one included."""

    begin: date | datetime
    end: date | datetime
    why: str = Field(min_length=1)

    @model_validator(mode="after")
    def _begins_first(self) -> Self:
        if self.begins_at >= self.ends_at:
            msg = f"ends at {self.end}, before it begins at {self.begin}"
            raise ValueError(msg)
        return self

    @property
    def begins_at(self) -> datetime:
        """Its first instant."""
        return _instant(self.begin)

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""
        return _instant(self.end) if isinstance(self.end, datetime) else _instant(self.end + timedelta(days=1))


class Guards(Settings):
    """The limits of faults; patterns are those of shells (`*`, `?`, `[ab]`).

    They match a target as the drill names it (`nodes pool=drill`) or as `--dry-run` finds it (`nodes node-1, node-2`).

    `kill_switch` is a file; when it exists, the drill ends. `ignore_alerts` are the
    alerts that may fire in any drill that does not expect them, also before it starts. Silences whose authors match
    `known_silences` do not stop a drill from starting. A fault that grows in steps counts as one.
    """

    allowed: tuple[str, ...] = ("*",)
    forbidden: tuple[str, ...] = ()
    most_faults: int = Field(default=5, gt=0)
    hours: Hours | None = None
    blackouts: tuple[Blackout, ...] = ()
    kill_switch: PathBesideFile | None = None
    ignore_alerts: tuple[str, ...] = ()
    known_silences: tuple[str, ...] = ("*",)

    def target_problem(self, written: str, found: str) -> str:
        """Return why a target may not be touched, as the drill names it and as it was found; empty when it may.

        It is forbidden when one of the two is, and allowed when one of the two is.
        """
        if problem := self.forbidden_problem(written) or self.forbidden_problem(found):
            return problem
        if not any(fnmatchcase(target, pattern) for target in (written, found) for pattern in self.allowed):
            return f"{_told(found)} is in none of guards.allowed: {', '.join(map(repr, self.allowed))}"
        return ""

    def forbidden_problem(self, target: str) -> str:
        """Return why a target is forbidden in any case; an empty text when it is not."""
        for pattern in self.forbidden:
            if fnmatchcase(target, pattern):
                return f"{_told(target)} is forbidden by guards.forbidden: {pattern!r}"
        return ""

    def time_problem(self, now: datetime) -> str:
        """Return why no drill may run at an instant; an empty text when one may."""
        for blackout in self.blackouts:
            if blackout.begins_at <= now < blackout.ends_at:
                return f"no drill until {blackout.ends_at:%Y-%m-%d %H:%M} UTC: {blackout.why} (guards.blackouts)"
        if self.hours is not None and not self.hours.include(now):
            hours, local = self.hours, now.astimezone(ZoneInfo(self.hours.time_zone))
            days = ", ".join(hours.days)
            return (
                f"it is {local:%a %H:%M} in {hours.time_zone}, and drills run"
                f" {hours.begin:%H:%M}-{hours.end:%H:%M} on {days} (guards.hours)"
            )
        return ""

    def count_problem(self, faults: Sequence[Fault]) -> str:
        """Return an error when too many faults would be in force at once; an empty text otherwise."""
        most = most_at_once([repeated for fault in faults for repeated in repetitions(fault)])
        return f"{most} faults at once, guards.most_faults allows {self.most_faults}" if most > self.most_faults else ""


def _instant(value: date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _told(target: str) -> str:
    """Return a target as an error names it: it may have thousands of names."""
    return target if len(target) <= _LONGEST_TARGET else f"{target[:_LONGEST_TARGET]}…"
