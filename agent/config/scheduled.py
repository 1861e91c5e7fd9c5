"""What the schedule of an agent.yml names: the drills of its entries, and its calendars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from alertdrill.agent.config.agent import AgentConfig, missing_servers
from alertdrill.agent.config.calendars import Calendars, calendars_of
from alertdrill.agent.config.daemon import Schedule, scheduled_drills
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.errors import ConfigError
from alertdrill.units.extras import LibraryMissing

_Read = TypeVar("_Read")


def read_scheduled(config: AgentConfig, source: Source) -> tuple[dict[str, list[Drill]], Calendars]:
    """Read the drills of each entry, by its name, and the calendars; without a schedule there are none.

    `source` is the file of the configuration. Raises ConfigError with every problem, at its line in that file.
    """
    schedule = config.schedule
    if schedule is None:
        return {}, Calendars()
    problems: list[str] = []

    def read(key: str, reading: Callable[[Schedule], _Read], without: _Read) -> _Read:
        try:
            return reading(schedule)
        except (ConfigError, LibraryMissing) as error:
            problems.extend(source.problem(("schedule", key), line) for line in str(error).splitlines())
            return without

    calendars = read("calendars", calendars_of, Calendars())
    none: dict[str, list[Drill]] = {}
    drills = read("entries", lambda one: _drills(one, config), none)
    if problems:
        raise ConfigError(*problems)
    return drills, calendars


def _drills(schedule: Schedule, config: AgentConfig) -> dict[str, list[Drill]]:
    drills = scheduled_drills(schedule)
    scheduled = (drill for of_entry in drills.values() for drill in of_entry)
    missing = dict.fromkeys(line for drill in scheduled for line in missing_servers(config, drill))
    if missing:
        raise ConfigError(*missing)
    return drills
