"""`alertdrill run --lab`: a game day on the embedded stack, with a drill every few minutes.

The agent is the one of `alertdrill run`, with a load and a schedule of its own; the servers are those of the lab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alertdrill.agent.config.agent import AgentConfig, as_yaml, read_agent_config
from alertdrill.agent.config.daemon import Freshness, Schedule, ScheduleEntry, SteadyLoad, Web
from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.config.notify import Notify
from alertdrill.agent.daemon.starting import Rest, Started, run_agent
from alertdrill.agent.drilling.session import opened_lab
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.report.drill import index
from alertdrill.agent.schedule.journal import Journal, Watch
from alertdrill.units.text import utc_text

# They need no more load than this, and their alerts are notified within minutes: a daily summary would not be.
_RATE = 100.0
_DRILLS = ("database-latency", "system-down", "high-memory-usage", "high-error-rate", "database-connections-exhausted")
# The longest of them, and the time until its alert is over.
_LONGEST = timedelta(minutes=45)
_MINUTES = (1, 2, 3, 5, 10, 15, 20, 30)
_ENTRY = "game-day"


async def run_game_day(
    path: Path, time_scale: float | None, tell: Callable[[str], None], rest: Callable[[], Rest]
) -> None:
    """Run a lab and an agent on it until this is cancelled, at a time scale that is chosen if none is given.

    `path` is agent.yml, with prometheus/, alertmanager/ and drills/ beside it. The load and the drills of the schedule
    there are taken, if it has any. Raises what `run_agent` raises, and LabError.
    """
    config = read_agent_config(path)
    drills = game_day_drills(config, path.parent)
    recordings = config.recordings / f"{_ENTRY}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        async with AsyncExitStack() as stack:
            here, lab = await opened_lab(stack, config, path.parent, time_scale, tell)
            settings = game_day_settings(here, drills, recordings)
            own = lab.directory / "agent.yml"
            write_whole(own, as_yaml(settings))
            _begin_at_once(settings)
            for line in _addresses(settings, lab.addresses, own):
                tell(line)
            await run_agent(Started(own), tell, rest)
    finally:
        _write_index(recordings, tell)


def game_day_drills(config: AgentConfig, folder: Path) -> tuple[str, ...]:
    """Return the drills of the configuration's schedule, or the shipped ones in `folder`."""
    if config.schedule is not None and config.schedule.entries:
        return tuple(dict.fromkeys(drill for entry in config.schedule.entries for drill in entry.drills))
    return tuple(str((folder / "drills" / f"{name}.yml").absolute()) for name in _DRILLS)


def game_day_settings(here: AgentConfig, drills: tuple[str, ...], recordings: Path) -> AgentConfig:
    """Add to a lab's configuration what an agent needs: a load, a schedule, and a folder of its own."""
    minutes = _minutes_between(here.time_scale)
    cron = f"*/{minutes} * * * *" if minutes < 60 else "@hourly"
    entry = ScheduleEntry(name=_ENTRY, drills=drills, cron=cron, most=1, order="stalest")
    own = {
        "load": here.load or SteadyLoad(rate=_RATE),
        "schedule": Schedule(time_zone="UTC", entries=(entry,)),
        "recordings": recordings.absolute(),
        # A lab that has just begun has proven nothing, and need not be told so.
        "freshness": Freshness(),
        # It tells nobody, and leaves the history of the real servers alone.
        "history": HistorySettings(),
        "notify": Notify(),
        "grafana": here.grafana and here.grafana.model_copy(update={"token": None}),
        "watchdog_alert": None,
        "heartbeat": None,
        "web": Web(),
    }
    return here.model_copy(update=own)


def _minutes_between(time_scale: float) -> int:
    """Return the minutes from one drill to the next: the shortest that divide an hour and are enough for one."""
    return next((one for one in _MINUTES if timedelta(minutes=one) >= _LONGEST / time_scale), 60)


def _begin_at_once(settings: AgentConfig) -> None:
    """Let the last time of the schedule count as missed by a little, so that its drill begins as soon as it can."""
    assert settings.schedule is not None  # noqa: S101 - it was just given
    (entry,) = settings.schedule.entries
    before = datetime.now(UTC) - timedelta(minutes=_minutes_between(settings.time_scale))
    try:
        Journal(settings.recordings).add(Watch(entry.name, entry.cron, utc_text(before)))
    except OSError as error:
        raise ConfigError(f"{settings.recordings} cannot be written: {error.strerror or error}") from error


def _addresses(settings: AgentConfig, addresses: dict[str, str], own: Path) -> Iterator[str]:
    assert settings.alertmanager is not None  # noqa: S101 - a lab has one
    agent = f"http://{settings.listen}"
    yield f"look at Prometheus: {settings.prometheus.url}/alerts"
    yield f"look at Alertmanager: {settings.alertmanager.url}"
    yield f"look at payment engine: http://{addresses['payment-engine:8080']}/actuator/prometheus"
    yield f"look at this agent: {agent}/"
    yield f"look at its health: {agent}/metrics, {agent}/-/healthy, {agent}/-/ready"
    yield f"look at the history: alertdrill history --config {own}"
    yield f"look at the reports: {settings.recordings}"
    yield f"one drill every {_minutes_between(settings.time_scale)} min; Ctrl-C undoes what is broken and ends all servers"


def _write_index(recordings: Path, tell: Callable[[str], None]) -> None:
    try:
        path = index.write(recordings)
    except ConfigError as error:
        tell(str(error))
    else:
        tell(f"the reports are in {recordings}" if path is None else f"index of the reports: {path}")
