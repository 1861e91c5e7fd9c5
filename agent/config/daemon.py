"""What `alertdrill run` needs in agent.yml beyond the servers: its load, the schedule, how fresh proofs must be.

    load: {rate: 200}
    schedule:
      time_zone: Europe/Berlin
      blackouts:
        - {name: freeze, from: 2026-12-20, to: 2027-01-06}
        - {name: nights, cron: "0 18 * * 1-5", lasts: 15h}
      calendars: [calendars/holidays.ics]
      entries:
        - {name: weekly, drills: [drills/*.yml], cron: "0 10 * * TUE", spread: 20m, most: 3, order: stalest}
    freshness:
      prove_within: {critical: 30d, warning: 90d}

docs/game-days.md explains them.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.guard import TimeZone
from alertdrill.chaos.secret_source import PathBesideFile, beside_its_file
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.settings import Settings

if TYPE_CHECKING:
    from alertdrill.agent.config.drill import Drill, DrillLoad

_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ANY_DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - cron has wall times
_ZERO = timedelta(0)
_LOOKED_AT = 60


def _five_fields(text: str) -> str:
    """Return an expression with single spaces; raises ValueError for one that cron does not know or that never comes."""
    fields = _SHORT.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        msg = f"{text!r} has {len(fields)} fields, expected five (minute hour day month weekday) or one such as @daily"
        raise ValueError(msg)
    try:
        if next(CronSim(" ".join(fields), _ANY_DAY), None) is None:
            msg = f"{text!r} never comes"
            raise ValueError(msg)
    except (CronSimError, IndexError, AssertionError, OverflowError) as error:
        msg = f"{text!r} is not a time of cron ({error or 'wrong field'}), expected one such as '30 9 * * MON-FRI'"
        raise ValueError(msg) from error
    return " ".join(fields)


Cron = Annotated[str, AfterValidator(_five_fields)]
"""Five fields as Debian's cron reads them, without seconds."""


def _shortest_gap(cron: str) -> timedelta:
    """Return the shortest time between the first times of an expression."""
    times = list(islice(CronSim(cron, _ANY_DAY), _LOOKED_AT))
    return min((later - one for one, later in pairwise(times)), default=timedelta.max)


class SteadyLoad(Settings):
    """The load that runs all the time: transactions a second, how many in flight at once, in how many processes.

    A drill with another rate changes it for as long as the drill runs.
    """

    rate: float = Field(gt=0, le=100_000)
    max_in_flight: int = Field(default=10_000, gt=0)
    workers: int = Field(default=1, ge=1, le=64)

    def of_drill(self, load: DrillLoad) -> Self:
        """Return this load with the rate of a drill, and with the drill's limit in flight if the drill sets one."""
        limit = {"max_in_flight": load.max_in_flight} if "max_in_flight" in load.model_fields_set else {}
        return self.model_copy(update={"rate": load.rate, **limit})


class Closed(Settings):
    """A time without drills: days (`from` and `to`, both included), or from each time of `cron` for as long as `lasts`."""

    name: str = Field(min_length=1)
    from_: date | None = Field(default=None, alias="from")
    to: date | None = None
    cron: Cron | None = None
    lasts: Duration | None = Field(default=None, gt=_ZERO, le=timedelta(days=31))

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        days, times = (self.from_, self.to), (self.cron, self.lasts)
        if (None in days) == (None in times) or any(days) == any(times):
            msg = "expected either `from` and `to`, or `cron` and `lasts`"
            raise ValueError(msg)
        if self.from_ is not None and self.to is not None and self.to < self.from_:
            msg = f"ends on {self.to}, before it begins on {self.from_}"
            raise ValueError(msg)
        return self


class ScheduleEntry(Settings):
    """When which drills run.

    `spread` delays each start by a part of it, which is known beforehand. A start that was missed still happens
    within `late_by`. `overlap` says what happens when another drill is running. `most` limits the drills of one
    occurrence, `order` says which come first. `due_within` leaves out drills that need no proof before that time is
    over. `paused` is a reason: no drill of the entry runs.
    """

    name: str = Field(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9-]*$")
    drills: tuple[str, ...] = Field(min_length=1)
    cron: Cron
    spread: Duration = Field(default=_ZERO, le=timedelta(days=1))
    late_by: Duration = timedelta(hours=1)
    overlap: Literal["skip", "wait"] = "skip"
    most: int | None = Field(default=None, ge=1)
    order: Literal["stalest", "written", "shuffled"] = "written"
    due_within: Duration | None = None
    paused: str = ""

    @model_validator(mode="after")
    def _spreads_less_than_its_times_are_apart(self) -> Self:
        if self.spread and self.spread >= (shortest := _shortest_gap(self.cron)):
            msg = (
                f"spread is {format_duration(self.spread)}, and its times may be only {format_duration(shortest)} apart"
            )
            raise ValueError(msg)
        return self

    @field_validator("drills")
    @classmethod
    def _are_beside_the_file(cls, patterns: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return tuple(str(beside_its_file(Path(pattern), info)) for pattern in patterns)


class Schedule(Settings):
    """All entries, and the times without drills; everything is in one time zone."""

    time_zone: TimeZone
    blackouts: tuple[Closed, ...] = ()
    calendars: tuple[PathBesideFile, ...] = ()
    entries: tuple[ScheduleEntry, ...] = ()

    @field_validator("entries")
    @classmethod
    def _have_their_own_names(cls, entries: tuple[ScheduleEntry, ...]) -> tuple[ScheduleEntry, ...]:
        names = [entry.name for entry in entries]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            msg = f"the name {twice[0]!r} is there twice, expected once"
            raise ValueError(msg)
        return entries


class Freshness(Settings):
    """How old the last proof of an alert may be, by the value of the alert's label `severity`."""

    prove_within: dict[str, Annotated[Duration, Field(gt=_ZERO)]] = {}


class Web(Settings):
    """`enable_lifecycle` allows `POST /-/reload`, as the flag of that name does in Prometheus.

    `config_file` is web.yml: TLS at `listen`, and who may call what there.
    """

    enable_lifecycle: bool = False
    config_file: PathBesideFile | None = None


def scheduled_drills(schedule: Schedule) -> dict[str, list[Drill]]:
    """Read the drills of every entry, by its name; raises ConfigError with every problem."""
    problems: list[str] = []
    read: dict[Path, Drill | None] = {}
    of_entry: dict[str, list[Drill]] = {}
    for entry in schedule.entries:
        paths = list(dict.fromkeys(_found(entry, problems)))
        for path in paths:
            if path not in read:
                read[path] = _read(path, problems)
        of_entry[entry.name] = [drill for path in paths if (drill := read[path]) is not None]
    _require_own_names(read, problems)
    if problems:
        raise ConfigError(*problems)
    return of_entry


def _found(entry: ScheduleEntry, problems: list[str]) -> Iterator[Path]:
    for pattern in entry.drills:
        paths = sorted(map(Path, glob.glob(pattern)))  # noqa: PTH207 - a whole path, with a folder of any kind
        if not paths:
            problems.append(f"schedule entry {entry.name}: {pattern} matches no drill file")
        yield from paths


def _read(path: Path, problems: list[str]) -> Drill | None:
    # The kinds of all faults are loaded with it, and most commands read no drill.
    from alertdrill.agent.config.drill import read_drill

    try:
        return read_drill(path)
    except ConfigError as error:
        problems += error.problems
        return None


def _require_own_names(read: dict[Path, Drill | None], problems: list[str]) -> None:
    """Find files whose drills have the same name: their recordings could not be told apart."""
    first: dict[str, Path] = {}
    for path, drill in read.items():
        if drill is not None and first.setdefault(drill.name, path) != path:
            problems.append(f"{path}: drill {drill.name} is in {first[drill.name]} as well, expected a name of its own")
