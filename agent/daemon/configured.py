"""The configuration of a running agent: agent.yml with all files that it names, and what a reload may change of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alertdrill.agent.config.agent import AgentConfig, as_yaml, serving_config
from alertdrill.agent.config.calendars import Calendars
from alertdrill.agent.config.daemon import Schedule, SteadyLoad
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.config.scheduled import read_scheduled
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.drilling.lock import canonical
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.schedule.occurrences import Timetable

# Connections, locks and files that are open for as long as the agent runs.
_FIXED = (
    *("prometheus", "alertmanager", "toxiproxy", "listen", "webhook_token", "webhook_basic_auth"),
    *("recordings", "ledger", "history", "time_scale", "web"),
)


@dataclass(frozen=True)
class Configured:
    """All that was read; `sha256` is that of all values, without the files' comments and order."""

    config: AgentConfig
    load: SteadyLoad
    drills: Mapping[str, Sequence[Drill]]
    calendars: Calendars
    sha256: str

    @property
    def by_name(self) -> dict[str, Drill]:
        """Every drill once, by its name."""
        return {drill.name: drill for of_entry in self.drills.values() for drill in of_entry}

    @property
    def timetable(self) -> Timetable:
        """The timetable of its schedule; without one, nothing comes."""
        schedule = self.config.schedule or Schedule(time_zone="UTC")
        return Timetable(schedule, self.calendars, self._guard)

    def _guard(self, now: datetime) -> str:
        return self.config.guards.time_problem(now)

    def fixed_changes(self, other: Configured) -> list[str]:
        """List the settings that differ in another configuration and that a reload cannot change."""
        return [name for name in _FIXED if getattr(self.config, name) != getattr(other.config, name)]

    def has_the_load_of(self, other: Configured) -> bool:
        """Return whether two configurations have the same load, which then runs on."""
        return (self.config.probe, self.load) == (other.config.probe, other.load)


def read_configured(path: Path, web_file: Path | None = None) -> Configured:
    """Read agent.yml and the drills and calendars that it names, with another web.yml than it names unless that is None.

    Raises ConfigError with every problem, each with its file and line.
    """
    source = Source(path)
    config = serving_config(source, web_file)
    problems: list[str] = []
    if config.load is None:
        problems.append(
            source.problem((), "has no `load`, expected the rate of the load that runs all the time: {rate: 200}")
        )
    drills: dict[str, list[Drill]] = {}
    calendars = Calendars()
    try:
        drills, calendars = read_scheduled(config, source)
    except ConfigError as error:
        problems += error.problems
    if problems or config.load is None:
        raise ConfigError(*problems)
    return Configured(config, config.load, drills, calendars, _digest(config, drills))


def _digest(config: AgentConfig, drills: Mapping[str, Sequence[Drill]]) -> str:
    texts = [as_yaml(config), *(drill.model_dump_json() for of_entry in drills.values() for drill in of_entry)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


async def load_targets(config: AgentConfig) -> frozenset[str]:
    """Return the servers that the load is sent to, in one spelling."""
    return frozenset([await canonical(url) for url in _urls(config.probe.model_dump())])


def _urls(value: Any) -> Iterator[str]:  # noqa: ANN401 - settings hold anything
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in {"url", "server"} and isinstance(item, str):
                yield item
            else:
                yield from _urls(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _urls(item)
